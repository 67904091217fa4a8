"""The command line: `wallet serve | migrate | seed | verify | settings`."""

from app.cli.main import main

__all__ = ["main"]
