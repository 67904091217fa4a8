"""The hot statements, one a file in `sql/`, loaded once. A file's name is the statement's name."""

from importlib.resources import files

_SQL: dict[str, str] = {
    path.name.removesuffix(".sql"): path.read_text(encoding="utf-8")
    for path in (files(__package__) / "sql").iterdir()
    if path.name.endswith(".sql")
}


def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql`.

    Raises:
        KeyError: there is no such file.
    """
    return _SQL[name]


def rows_of(status: str) -> int:
    """Return how many rows a command changed, from PostgreSQL's command tag (`UPDATE 3`, `INSERT 0 3`)."""
    return int(status.rsplit(" ", 1)[1])


def expect_rows(status: str, expected: int, table: str) -> None:
    """Compare how many rows were written with how many were meant.

    Raises:
        AssertionError: they differ; the unit of work must not commit.
    """
    written = rows_of(status)
    if written != expected:
        raise AssertionError(f"{expected} rows of {table} were to be written, {written} were")
