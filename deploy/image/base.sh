#!/bin/sh
# Is this the name of an image that cannot become another one? `make image` asks before it builds.
set -eu
case "${1:-}" in
  *@sha256:*) digest="${1##*@sha256:}" ;;
  *) digest="" ;;
esac
if [ "${#digest}" -ne 64 ] || [ -n "$(printf %s "$digest" | tr -d 0-9a-f)" ] || [ -z "$(printf %s "$digest" | tr -d 0)" ]; then
  echo "name the base image by its digest: BASE=python:3.11-slim-bookworm@sha256:…; docs/deploy.md says how to look it up" >&2
  exit 2
fi
