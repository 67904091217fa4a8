# The service in a container: `docker build -t wallet .`, or `docker compose up`. It needs DATABASE_URL, writes nothing
# to its own disk and runs as a user without a name. What it installs is fixed by the hashes in requirements.lock.
#
# The base is named by a tag: a digest has to come from the registry on the day it is chosen, and a stale one would keep
# security fixes out. For builds that repeat exactly, put one after the tag: python:3.13-slim-trixie@sha256:….
# requirements.lock has wheels for 3.11 to 3.14.
ARG PYTHON_TAG=3.13-slim-trixie

FROM python:${PYTHON_TAG} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The dependencies first: this layer is built anew only when requirements.lock changes.
COPY requirements.lock /srv/wallet/
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
        --no-compile --only-binary=:all: --require-hashes --requirement /srv/wallet/requirements.lock \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

WORKDIR /srv/wallet
COPY app app
COPY migrations migrations
COPY scripts scripts
RUN python -m compileall -q --invalidation-mode unchecked-hash app migrations scripts


FROM python:${PYTHON_TAG}

LABEL org.opencontainers.image.title="wallet" \
    org.opencontainers.image.description="A closed-loop wallet service for application credits: a double-entry ledger on PostgreSQL behind a REST API." \
    org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"

# Every setting of app/config.py can be given here; hosts that choose the port set PORT.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000

WORKDIR /srv/wallet
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/wallet /srv/wallet

# A number, so that a host can see that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Not through urllib, which would ask a proxy that is set in the environment.
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=3); c.request('GET', '/health/ready'); sys.exit(c.getresponse().status != 200)"]

CMD ["python", "-m", "app.cli", "serve"]
