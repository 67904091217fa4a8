"""The command line: `wallet serve | migrate | verify | settings`."""

from app.cli.main import main

__all__ = ["main"]
