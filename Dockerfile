# A tag may be another image tomorrow: docs/operations.md says how to name one by its digest.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts
COPY routes routes
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    SLICEFEED_HOST=0.0.0.0 \
    SLICEFEED_PORT=8080 \
    SLICEFEED_DATA=/data \
    SLICEFEED_STATE=/state
WORKDIR /app
RUN mkdir /data /state && chown 1000:1000 /state && chmod 700 /state
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist/src dist/src
COPY --from=build /app/dist/routes dist/routes
COPY package.json README.md ./
# The help texts and the contract name these.
COPY docs/*.md docs/
# A number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 1000
VOLUME /state
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["node", "dist/src/cli.js", "health"]
ENTRYPOINT ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/src/cli.js"]
CMD ["serve"]
