"""A program that runs the embedded PostgreSQL until it is told to stop: what the tests kill, interrupt and double.

Prints one JSON line when the server is ready (`url`) or was refused (`error`). On Ctrl-C it prints another and keeps
the server for as long as its standard input stays open: a service that drains.
"""

import json
import os
import select
import signal
import sys
from pathlib import Path

from app import embedded_postgres
from app.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, running_url


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def wait_for_end_of_input() -> None:
    """Return when the standard input is closed. In short steps: a signal from just before a wait does not end it."""
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        pass


def become(uid: int) -> None:
    """Become a plain user only now, when Python is loaded: that user may be unable to read it."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def run(home: Path, options: dict[str, str]) -> None:
    if "outlived" in options:  # as on systems that do not tell a server of its launcher's death
        setattr(embedded_postgres, "end_with_launcher", lambda: None)  # noqa: B010 - what it imported, not what it exports
    with EmbeddedPostgres(home, durable="durable" in options) as database:
        try:
            say(url=database.url("postgres"))
            wait_for_end_of_input()
        except KeyboardInterrupt:
            say(draining=True)
            wait_for_end_of_input()


def main(home: Path, options: dict[str, str]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
    if "uid" in options:
        become(int(options["uid"]))
    try:
        if "find" in options:
            say(url=running_url(home, "postgres"))
        else:
            run(home, options)
    except EmbeddedPostgresError as refusal:
        say(error=str(refusal))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
