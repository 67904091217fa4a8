"""`python -m app.cli` is `wallet`."""

from app.cli.main import main

main()
