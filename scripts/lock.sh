#!/bin/sh
# Compiles the lock files from pyproject.toml: `make lock`. Versions that still satisfy it are kept; with --upgrade the
# newest are taken. One resolution for every platform and for Python 3.11 and newer, told apart by markers; with hashes
# and without an index address, so that any index will do. uv is taken from $UV or the PATH, else installed for the
# moment with $PYTHON.
set -eu
cd "$(dirname "$0")/.."

uv=${UV:-$(command -v uv || true)}
if [ -z "$uv" ]; then
    borrowed=$(mktemp -d)
    trap 'rm -rf "$borrowed"' EXIT
    "${PYTHON:-python3}" -m venv "$borrowed"
    "$borrowed/bin/pip" install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
    uv=$borrowed/bin/uv
fi

compile() {
    "$uv" pip compile pyproject.toml --no-config --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}

compile --output-file requirements.lock "$@"
compile --output-file requirements-dev.lock --group dev --group embedded --constraint requirements.lock "$@"
