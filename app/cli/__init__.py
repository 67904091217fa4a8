"""The command line: `wallet --help`."""

import gc

gc.disable()  # what is imported stays: to look for garbage in it takes a tenth of a start, and the end as long

from app.cli.main import main  # noqa: E402

gc.freeze()
gc.enable()

__all__ = ["main"]
