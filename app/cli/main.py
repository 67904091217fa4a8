"""The commands. Each reads the settings, does one thing, and says in one line what went wrong."""

import sys
from functools import partial
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app import __version__
from app.cli.keys import keys
from app.cli.roles import roles
from app.cli.work import with_database
from app.config import ConfigurationError, Settings, load_settings
from app.database import Database
from app.domain.errors import WalletError
from app.migration import HEAD, SchemaTooNew
from app.migration import migrate as run_migrations
from app.services.verify_service import Verdict
from app.services.verify_service import quarantine as quarantine_user
from app.services.verify_service import verify as verify_ledger

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

cli = typer.Typer(
    name="wallet",
    help="A closed-loop wallet service for application credits. Settings are environment variables: `wallet settings`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(keys)
cli.command()(roles)


def main() -> None:
    """Run the command line; a wrong setting or an unreachable database is one line on standard error."""
    try:
        cli()
    except ConfigurationError as error:
        _fail(str(error), EXIT_MISCONFIGURED)
    except (WalletError, SchemaTooNew) as error:
        _fail(str(error), EXIT_FAILED)


@cli.command(name="serve")
def serve_command() -> None:
    """Serve the API; without DATABASE_URL on a PostgreSQL of its own, kept in WALLET_HOME and seeded."""
    from app.cli.serve import serve  # noqa: PLC0415 - the other commands start in half the time without a web server

    serve(load_settings())


@cli.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    current = load_settings()
    with_database(current, partial(run_migrations, sandbox=current.sandbox), as_owner=True)
    typer.echo(f"The tables are up to date ({HEAD}).")


@cli.command()
def verify(
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Let nothing more be booked for the user whose books are wrong.")
    ] = False,
) -> None:
    """Recompute every hash chain, sum and projection; name the first row that is wrong, and exit with 1."""
    current = load_settings()
    columns = (TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("accounts"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("accounts", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        async def work(database: Database) -> Verdict:
            return await verify_ledger(database, on_progress=advance)

        verdict = with_database(current, work)
    if verdict.problem is not None:
        if quarantine and verdict.external_user_id is not None:
            with_database(current, partial(quarantine_user, verdict=verdict))
            typer.echo(f"The account of {verdict.external_user_id!r} is quarantined.")
        _fail(f"the ledger is wrong: {verdict.problem}", EXIT_FAILED)
    typer.echo(
        f"The ledger is right: {verdict.accounts} accounts, {verdict.transactions} transactions, "
        f"{verdict.entries} entries."
    )


@cli.command()
def settings() -> None:
    """Show every setting with its value and what it means. Secrets are not shown."""
    current = load_settings()
    for name, field in Settings.model_fields.items():
        value = getattr(current, name)
        shown = "(set)" if isinstance(value, SecretStr) else "(not set)" if value is None else str(value)
        typer.echo(f"{name.upper()} = {shown}\n    {field.description}")


@cli.command()
def version() -> None:
    """Show the version."""
    typer.echo(__version__)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"wallet: {message}\n")
    raise SystemExit(code)
