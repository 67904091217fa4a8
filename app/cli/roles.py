"""`wallet roles`: the database roles that the service and the reports log in as."""

from functools import partial
from typing import Annotated

import typer
from sqlalchemy.engine import URL, make_url

from app.cli.work import with_database
from app.config import ConfigurationError, Pooler, load_settings
from app.database_url import APPLICATION, READER, owner_url
from app.roles import apply_roles


def roles(
    app: Annotated[str, typer.Option(metavar="NAME", help="The role of the service.")] = APPLICATION,
    reader: Annotated[str, typer.Option(metavar="NAME", help="The role of reports.")] = READER,
    new_passwords: Annotated[
        bool, typer.Option("--new-passwords", help="Give roles that are there new passwords; the old ones end at once.")
    ] = False,
) -> None:
    """Make the database roles of the service and of reports, and let each do what it is for and no more.

    Run it as the owner of the tables: once, and again after each `wallet migrate`. A role that is there keeps its
    password; a new one is shown this once.
    """
    current = load_settings()
    if new_passwords and current.database_url is None:
        raise ConfigurationError(
            "--new-passwords: the PostgreSQL that comes along keeps its one password, in WALLET_HOME; set DATABASE_URL "
            "for another database"
        )
    work = partial(apply_roles, app=app, reader=reader, new_passwords=new_passwords)
    passwords = with_database(current, work, as_owner=True)
    owner = owner_url(current)
    for role, purpose in ((app, "the service"), (reader, "reports")):
        kept = ", with the password that it has" if passwords[role] is None else ""
        typer.echo(f"{role}, for {purpose}{kept}:\n    DATABASE_URL={_url(owner, role, passwords[role])}")
    if current.database_pooler is Pooler.TRANSACTION:
        typer.echo("The pooler has to know both.")


def _url(owner: str, role: str, password: str | None) -> str:
    """Return the URL of the owner's database for another role, as all programs of PostgreSQL understand it."""
    url = make_url(owner)
    query = {"sslmode" if name == "ssl" else name: value for name, value in url.query.items()}
    return URL.create("postgresql", role, password, url.host, url.port, url.database, query).render_as_string(
        hide_password=False
    )
