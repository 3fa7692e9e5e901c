# syntax=docker/dockerfile:1
# Svodka in one image: every service of compose.yaml that is ours runs it with another command.
#   docker build -t svodka:0.1.0 .
ARG PYTHON=3.13.7-slim-bookworm

FROM python:${PYTHON} AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/svodka
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /build
# What is installed changes seldom, the product often: two layers.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-editable --no-install-project
COPY celeryconfig.py ./
COPY agents ./agents
COPY cli ./cli
COPY domains ./domains
COPY examples ./examples
COPY lab ./lab
COPY migrations ./migrations
COPY monitoring ./monitoring
COPY services ./services
COPY tasks ./tasks
COPY web ./web
RUN uv sync --frozen --no-dev --no-editable

FROM python:${PYTHON} AS run
LABEL org.opencontainers.image.title="svodka" \
      org.opencontainers.image.description="Digests and trends, every sentence traceable to a post" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/svodka/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SVODKA_VAR=/var/lib/svodka
RUN groupadd --system --gid 10001 svodka \
    && useradd --system --uid 10001 --gid svodka --home-dir /var/lib/svodka --shell /usr/sbin/nologin svodka \
    && install --directory --owner svodka --group svodka --mode 0750 /var/lib/svodka
COPY --from=build /opt/svodka /opt/svodka
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/svodka
VOLUME /var/lib/svodka
# Whether the database, the broker and the disk answer; compose.yaml asks each service something nearer.
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 CMD ["svodka", "doctor"]
# Without URLs it starts the embedded servers too: one container is a whole Svodka.
CMD ["svodka", "up"]
