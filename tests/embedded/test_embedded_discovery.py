"""Which server other programs find in a home."""

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pytest

from app.embedded_postgres import EmbeddedPostgres, running_url
from tests.embedded.harness import Place, ask, eventually, is_ended, server_pid


def test_the_server_of_another_process_is_found_until_it_stops(each_place: Place) -> None:
    assert running_url(each_place.home, "postgres") is None
    launcher = each_place.launch()
    url = launcher.url()
    assert running_url(each_place.home, "postgres") == url
    assert running_url(each_place.home, "wallet") == url.replace("/postgres?", "/wallet?")
    assert ask(url, "SELECT 1") == 1
    launcher.finish()
    assert running_url(each_place.home, "postgres") is None


def test_nothing_is_found_or_made_where_nothing_ever_ran(empty_place: Place) -> None:
    for home in (empty_place.home, empty_place.folder, Path("/dev/null/home")):
        assert running_url(home, "postgres") is None
    assert list(empty_place.folder.iterdir()) == []


def test_a_server_whose_socket_had_to_move_is_found(place: Place) -> None:
    with place.moved_home("x" * 120) as home:
        launcher = place.launch(home=home)
        url = launcher.url()
        assert running_url(home, "postgres") == url
        assert ask(url, "SELECT 1") == 1
        launcher.finish()


def test_a_second_launcher_is_refused_even_after_the_first_one_found_its_own_server(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        for _ in range(2):
            assert running_url(place.home, "postgres") == database.url("postgres")
        assert "another process already runs the database" in place.launch().said()["error"]
        assert ask(database.url("postgres"), "SELECT 1") == 1


def test_the_leftovers_of_a_killed_launcher_are_not_a_server(place: Place) -> None:
    launcher = place.launch()
    launcher.url()
    launcher.kill()
    assert running_url(place.home, "postgres") is None


def test_the_leftovers_of_a_crash_are_not_the_server_of_a_launcher_that_is_starting(place: Place) -> None:
    launcher = place.launch()
    launcher.url()
    pid = server_pid(place.home)
    os.kill(pid, signal.SIGKILL)
    launcher.kill()
    eventually(lambda: is_ended(pid))
    assert "ready" in (place.home / "data" / "postmaster.pid").read_text()
    with (place.home / "launcher.lock").open() as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        assert running_url(place.home, "postgres") is None


def test_a_server_that_died_under_its_launcher_is_none(place: Place) -> None:
    launcher = place.launch()
    launcher.url()
    pid = server_pid(place.home)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_ended(pid))
    assert running_url(place.home, "postgres") is None


def test_a_server_that_is_not_ready_yet_is_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str | None] = []
    database = EmbeddedPostgres(place.home)
    launch = database._launch

    def look_and_launch(binaries: Path, marker: str) -> "subprocess.Popen[bytes]":
        found.append(running_url(place.home, "postgres"))
        return launch(binaries, marker)

    monkeypatch.setattr(database, "_launch", look_and_launch)
    with database:
        assert found == [None]
