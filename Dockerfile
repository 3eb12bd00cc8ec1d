# syntax=docker/dockerfile:1
# One image for every process: the command says which (api, worker, relay, mcp).
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/evidesk
COPY requirements/bootstrap.lock requirements/runtime.lock requirements/
RUN python -m venv /opt/evidesk \
    && /opt/evidesk/bin/pip install --require-hashes -r requirements/bootstrap.lock \
    && /opt/evidesk/bin/uv pip install --python /opt/evidesk/bin/python --no-deps --require-hashes -r requirements/runtime.lock
COPY . .
RUN /opt/evidesk/bin/uv pip install --python /opt/evidesk/bin/python --no-deps --no-build-isolation --editable . \
    && /opt/evidesk/bin/pip uninstall --yes uv

FROM python:3.11-slim-bookworm
ENV PATH=/opt/evidesk/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EVIDESK_HOST=0.0.0.0 \
    EVIDESK_DATA_DIR=/var/lib/evidesk
RUN groupadd --system --gid 10001 evidesk \
    && useradd --system --uid 10001 --gid evidesk --home-dir /var/lib/evidesk --create-home evidesk
COPY --from=build /opt/evidesk /opt/evidesk
COPY --from=build /srv/evidesk /srv/evidesk
WORKDIR /srv/evidesk
USER 10001:10001
VOLUME /var/lib/evidesk
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('EVIDESK_PORT', '8000')}/health\", timeout=2)"]
CMD ["evidesk", "api"]
