# Splitgate's image; docs/deploy.md says how to build it.
#
# The base is named by digest, so that nobody can put another one in its place. The zeros stand for it and lead to no
# image: `make image` refuses them, as does every registry. Look the digest up, look at what it is, and pass it:
#   docker buildx imagetools inspect python:3.11-slim-bookworm
#   make image BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm@sha256:0000000000000000000000000000000000000000000000000000000000000000

FROM ${BASE} AS build
# An index of packages of yours; the hashes of the lock settle which files are taken from it.
ARG PIP_INDEX_URL
# Beside the gateway, in any order: litellm (other vendors), ner (names of persons in det.pii), embedded (a small model).
ARG PARTS=""
COPY requirements.lock requirements-bare.lock /source/
COPY deploy/image/ /source/deploy/image/
RUN ["/bin/sh", "/source/deploy/image/dependencies.sh"]
COPY pyproject.toml README.md LICENSE /source/
COPY gateway/ /source/gateway/
COPY adapters/ /source/adapters/
COPY policies/ /source/policies/
RUN ["/bin/sh", "/source/deploy/image/gateway.sh"]

# `docker build --target sbom --output .` writes the list of components and nothing else.
FROM scratch AS sbom
COPY --from=build /opt/splitgate/sbom.cdx.json /

FROM ${BASE} AS final
ARG VERSION=""
ARG REVISION=""
ARG PARTS=""
LABEL org.opencontainers.image.title="splitgate" \
  org.opencontainers.image.description="A reverse proxy for language models that keeps instructions and data apart." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  splitgate.parts="${PARTS}"
COPY --from=build /opt/splitgate/ /opt/splitgate/
RUN --mount=type=bind,source=deploy/image,target=/image ["/bin/sh", "/image/final.sh"]
ENV PATH=/opt/splitgate/bin:/usr/local/bin:/usr/bin:/bin \
  HOME=/var/lib/splitgate \
  SPLITGATE_CACHE=/opt/splitgate/cache \
  SPLITGATE_CONFIG=/etc/splitgate/splitgate.yaml \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /etc/splitgate
EXPOSE 8400 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/opt/splitgate/bin/python", "-I", "/opt/splitgate/health.py"]
ENTRYPOINT ["/opt/splitgate/bin/splitgate"]
CMD ["serve"]
