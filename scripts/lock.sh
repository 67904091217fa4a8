#!/bin/sh
# Compiles the lock files from pyproject.toml: `make lock`. Versions that still satisfy it are kept; with --upgrade the
# newest are taken. One resolution for every platform and for Python 3.11 and newer, told apart by markers; with hashes
# and without an index address, so that any index will do.
set -eu
cd "$(dirname "$0")/.."

compile() {
    "${UV:-.venv/bin/uv}" pip compile pyproject.toml --no-config --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}

compile --output-file requirements.lock "$@"
compile --output-file requirements-dev.lock --group dev --group embedded --constraint requirements.lock "$@"
