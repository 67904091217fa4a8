"""`wallet keys`: making, listing and revoking API keys by whoever has the database."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.work import with_database
from app.config import load_settings
from app.database import Database
from app.domain.api_keys import ALL_SCOPES, DAYS_MAX, NAME_LENGTH_MAX, RATE_MAX, ApiKey, KeyTerms, Rate, Scope
from app.services.key_service import KeyService

ACTOR = "cli"
PAGE = 200
WIDTH_OF_FILES = 250
"""Where nobody's window says otherwise."""

keys = typer.Typer(
    name="keys",
    help="API keys: who may call, and what for. They are kept in the database that the service uses.",
    no_args_is_help=True,
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses it, for people.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; give it once for each.")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="It may do everything.")] = False,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=DAYS_MAX, help="After so many days it is good no more.")
    ] = None,
    requests_per_second: Annotated[
        int | None, typer.Option(min=1, max=RATE_MAX, help="How often it may be used, over all processes.")
    ] = None,
    burst: Annotated[int | None, typer.Option(min=1, max=RATE_MAX, help="How many requests may come at once.")] = None,
) -> None:
    """Make an API key and print it, this once: nobody can find it out again."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX or _shown(name) != name:
        raise typer.BadParameter(f"must have 1 to {NAME_LENGTH_MAX} printable characters", param_hint="NAME")
    if bool(scope) == all_scopes:
        raise typer.BadParameter("give either --scope, once for each, or --all-scopes", param_hint="--scope")
    if burst is not None and requests_per_second is None:
        raise typer.BadParameter("needs --requests-per-second", param_hint="--burst")
    terms = KeyTerms(
        name=name,
        scopes=ALL_SCOPES if all_scopes else frozenset(scope or ()),
        rate=None if requests_per_second is None else Rate.of(requests_per_second, burst),
        expires_in_days=expires_in_days,
    )

    async def work(database: Database) -> tuple[ApiKey, str]:
        return await KeyService(database).create(terms, created_by=ACTOR)

    key, text = with_database(load_settings(), work)
    typer.echo(f"Key {key.id}, {key.name!r}: {', '.join(sorted(key.scopes))}. It is shown this once:", err=True)
    typer.echo(text)


@keys.command(name="list")
def list_keys() -> None:
    """List all API keys, also those that are good no more."""

    async def work(database: Database) -> list[ApiKey]:
        found: list[ApiKey] = []
        after: int | None = None
        while True:
            page = await KeyService(database).page(after=after, limit=PAGE)
            found += page.items
            after = page.next_after
            if after is None:
                return found

    table = Table("key", "name", "ends in", "may", "status", "per second", "made", "expires", "last used", box=None)
    for key in with_database(load_settings(), work):
        table.add_row(
            str(key.id),
            Text(_shown(key.name)),
            key.ending,
            "everything" if key.scopes == ALL_SCOPES else " ".join(sorted(key.scopes)),
            key.status,
            "" if key.rate is None else f"{key.rate.requests_per_second} ({key.rate.burst})",
            *(f"{each:%Y-%m-%d}" if each else "" for each in (key.created_at, key.expires_at)),
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "",
        )
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    console.print(table)


@keys.command()
def revoke(key_id: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="The number of the key.")]) -> None:
    """Revoke an API key for good: within a second no process answers it."""

    async def work(database: Database) -> ApiKey:
        return await KeyService(database).revoke(key_id, revoked_by=ACTOR)

    key = with_database(load_settings(), work)
    typer.echo(f"Key {key.id}, {key.name!r}, is revoked since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC.")


def _shown(name: str) -> str:
    """Return a name with what a terminal would obey, or not show, spelled out."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in name)
