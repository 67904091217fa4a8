"""Keeps pytest from rewriting Schemathesis' many modules for its asserts, as it does for all that bring a plugin."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    hook = config.pluginmanager.rewrite_hook
    hook._must_rewrite.discard("schemathesis")  # type: ignore[attr-defined]  # seconds in each process without a cache
