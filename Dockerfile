# The command line of modelseal in an image with nothing else: no shell, no package manager, no other program than Node.js.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag modelseal .
#   docker run --rm --read-only --tmpfs /tmp --volume "$PWD/models:/models:ro" modelseal verify vad --policy policy.yaml
# Node 24.18 on Debian 12. Dependabot keeps it current.
FROM node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d AS build
WORKDIR /source
COPY . .
RUN ["node", "container/build.mjs", "/image"]

FROM scratch
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="modelseal" \
      org.opencontainers.image.description="Sign, verify and fetch machine-learning models (OpenSSF Model Signing)" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
ENV HOME=/home/modelseal NODE_ENV=production
WORKDIR /models
# Not "nobody": in a user namespace, files of every unmapped user seem to belong to that one.
USER 65532:65532
STOPSIGNAL SIGTERM
# Whether the program starts; for "journal serve", whether the host can still start processes.
HEALTHCHECK --interval=5m --timeout=10s CMD ["/usr/local/bin/node", "/opt/modelseal/bin/modelseal.cjs", "--version"]
ENTRYPOINT ["/usr/local/bin/node", "/opt/modelseal/bin/modelseal.cjs"]
CMD ["--help"]
