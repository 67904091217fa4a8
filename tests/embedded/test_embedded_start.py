"""What a started server is like, and what its home holds."""

import os
import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.embedded_postgres import EmbeddedPostgres
from tests.embedded.harness import Place, ask, eventually, is_ended, server_pid

DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
needs_debian = pytest.mark.skipif(not DEBIAN_BINARIES.exists(), reason="Debian's PostgreSQL 15 is not installed")

forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns if there are threads


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_folder_became_a_database_and_nothing_else_was_left_in_it(each_place: Place) -> None:
    """Its first start was for the fixture."""
    kept = {".gitignore", "data", "launcher.lock", "password", "postgres.log"}
    assert {path.name for path in each_place.home.iterdir()} == kept
    assert not (each_place.home / "data" / "postmaster.pid").exists()
    assert ask(each_place.launch().url(), "SELECT current_user") == "wallet"


def test_a_second_start_is_quick_and_finds_what_was_written(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        ask(database.url("postgres"), "CREATE TABLE written AS SELECT 7 AS value")
    began = time.monotonic()
    with EmbeddedPostgres(place.home) as database:
        assert time.monotonic() - began < 3
        assert ask(database.url("postgres"), "SELECT value FROM written") == 7


async def test_sqlalchemy_takes_the_url(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        engine = create_async_engine(database.url("postgres"))
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        await engine.dispose()


def test_nothing_listens_on_the_network(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        assert ask(database.url("postgres"), "SHOW listen_addresses") == ""
        assert f"host={database.socket_dir}" in database.url("postgres")
        assert mode_of(database.socket_dir) == 0o700


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_only_a_server_that_need_not_be_durable_runs_without_fsync(place: Place, durable: bool, fsync: str) -> None:
    with EmbeddedPostgres(place.home, durable=durable) as database:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(database.url("postgres"), f"SHOW {setting}") == fsync


def test_settings_go_before_the_defaults(place: Place) -> None:
    with EmbeddedPostgres(place.home, settings={"max_connections": "17"}, durable=False) as database:
        assert ask(database.url("postgres"), "SHOW max_connections") == "17"
        assert ask(database.url("postgres"), "SHOW timezone") == "UTC"


def test_a_home_keeps_its_secrets_to_its_owner_and_out_of_git(each_place: Place) -> None:
    launcher = each_place.launch()
    launcher.url()
    home = each_place.home
    assert (home / ".gitignore").read_text() == "*\n"
    assert [mode_of(home / name) for name in ("password", "postgres.log", "data", "run")] == [
        0o600,
        0o600,
        0o700,
        0o700,
    ]
    assert len((home / "password").read_text()) >= 32


def test_a_wrong_password_is_refused(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        url = database.url("postgres").replace(database.password, "guess")
        with pytest.raises(Exception, match="password authentication failed"):
            ask(url, "SELECT 1")


@pytest.mark.parametrize("folder", ["x" * 120, "a b,c:d%20?&é"], ids=["too-long-for-a-socket", "with-odd-characters"])
def test_any_path_of_a_home_works_and_leaves_nothing_in_tmp(place: Place, folder: str) -> None:
    with place.moved_home(folder) as home, EmbeddedPostgres(home) as database:
        assert ask(database.url("postgres"), "SELECT 1") == 1
        assert home not in database.socket_dir.parents
    assert not database.socket_dir.exists()


def test_a_folder_for_the_socket_in_tmp_is_removed_by_the_start_after_a_crash(place: Place) -> None:
    with place.moved_home("x" * 120) as home:
        launcher = place.launch(home=home)
        launcher.url()
        left_behind = (home / "run").readlink()
        launcher.kill()
        with EmbeddedPostgres(home):
            assert not left_behind.exists()


def check_that_text_sorts_by_code_point(database: EmbeddedPostgres) -> None:
    words = (
        "SELECT string_agg(word, '' ORDER BY word) FROM unnest(ARRAY['b', 'a', 'B', 'é', 'z', '_', '😀', '｡']) AS word"
    )
    assert ask(database.url("postgres"), words) == "B_abzé｡😀"
    assert ask(database.url("postgres"), "SHOW server_encoding") == "UTF8"


def test_text_sorts_by_code_point(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        check_that_text_sorts_by_code_point(database)
        assert ask(database.url("postgres"), "SELECT upper('é')") == "É"


@needs_debian
def test_the_programs_of_another_installation_can_be_used(empty_place: Place) -> None:
    with EmbeddedPostgres(empty_place.home, binaries=DEBIAN_BINARIES, durable=False) as database:
        assert ask(database.url("postgres"), "SHOW server_version").startswith("15.")
        assert ask(database.url("postgres"), "SELECT DISTINCT datcollate FROM pg_database") == "C"
        check_that_text_sorts_by_code_point(database)


def test_stopping_ends_the_server_and_its_connections_and_can_be_repeated(place: Place) -> None:
    database = EmbeddedPostgres(place.home)
    database.stop()
    for _ in range(2):
        database.start()
        pid = server_pid(place.home)
        database.stop()
        assert is_ended(pid)
        database.stop()


@forks
def test_a_forked_child_that_stops_it_stops_nothing(place: Place) -> None:
    with EmbeddedPostgres(place.home) as database:
        child = os.fork()
        if child == 0:
            database.stop()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ask(database.url("postgres"), "SELECT 1") == 1


@forks
def test_a_fork_that_lives_on_does_not_keep_the_home(place: Place) -> None:
    with EmbeddedPostgres(place.home):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
    with EmbeddedPostgres(place.home):
        os.close(write_end)
    eventually(lambda: os.waitpid(child, os.WNOHANG)[0])
    os.close(read_end)


def test_a_log_past_its_size_starts_anew_and_the_last_one_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedded_postgres.LOG_BYTES_MAX", 10)
    log, old = place.home / "postgres.log", place.home / "postgres.log.old"
    log.write_text("a long line of the past")
    with EmbeddedPostgres(place.home):
        assert "of the past" not in log.read_text()
    assert "of the past" in old.read_text()
    old.unlink()
