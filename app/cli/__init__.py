"""The command line: `wallet --help`."""

from app.cli.main import main

__all__ = ["main"]
