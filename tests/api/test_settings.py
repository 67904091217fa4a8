"""A wrong setting ends the start with one line that names it, and shows no secret."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

import app.main
from app.cli import main, serve
from app.config import Settings, asyncpg_url, load_settings
from tests.api.programs import SERVE, Ended, free_port, run
from tests.conftest import own_sessions

SECRET = "hunter2-hunter2"
UNREACHABLE = f"postgresql://wallet:{SECRET}@127.0.0.1:1/wallet"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("WALLET_HOME", str(tmp_path))


WRONG = [
    pytest.param("DATABASE_URL", f"mysql://wallet:{SECRET}@localhost/wallet", id="database-of-another-kind"),
    pytest.param("DATABASE_URL", f"postgresql+psycopg2://wallet:{SECRET}@localhost/wallet", id="another-driver"),
    pytest.param("DATABASE_URL", f"wallet:{SECRET}@localhost/wallet", id="no-scheme"),
    pytest.param("DATABASE_URL", f"postgresql://wallet:{SECRET}@localhost", id="no-database"),
    pytest.param("DATABASE_URL", f"postgresql://wallet:{SECRET}@localhost/", id="empty-database"),
    pytest.param("DATABASE_URL", "postgresql:///wallet", id="no-host"),
    pytest.param("DATABASE_URL", f"postgresql://wallet:{SECRET}@localhost:port/wallet", id="port-that-is-none"),
    pytest.param("DATABASE_URL", f"postgresql://wallet:{SECRET}@localhost:99999/wallet", id="port-too-high"),
    pytest.param("DATABASE_URL", f"postgresql://wallet:{SECRET}@[::1/wallet", id="open-bracket"),
    pytest.param("DATABASE_URL", f"{UNREACHABLE}?sslmode=maybe", id="sslmode-that-is-none"),
    pytest.param("DATABASE_URL", f"{UNREACHABLE}?pgbouncer=true", id="parameter-of-another-driver"),
    pytest.param("DATABASE_URL", SECRET, id="a-password-alone"),
    pytest.param("DATABASE_POOLER", "session", id="pooler"),
    pytest.param("DATABASE_POOL_SIZE", "3", id="pool-too-small"),
    pytest.param("DATABASE_POOL_SIZE", "ten", id="pool-that-is-no-number"),
    pytest.param("PORT", "abc", id="port-that-is-no-number"),
    pytest.param("PORT", "99999", id="port-out-of-range"),
    pytest.param("PORT", "0", id="port-zero"),
    pytest.param("PORT", "80.5", id="port-with-a-point"),
    pytest.param("WORKERS", "0", id="no-workers"),
    pytest.param("WORKERS", "65", id="too-many-workers"),
    pytest.param("WORKERS", "many", id="workers-that-are-no-number"),
    pytest.param("WALLET_API_KEY", "hunter2", id="key-too-short"),
    pytest.param("WALLET_API_KEY", "hunter2 hunter2 hunter2", id="key-with-blanks"),
    pytest.param("WALLET_API_KEY", "hunter2-hünter2-hunter2", id="key-not-ascii"),
    pytest.param("WALLET_API_KEY", "hunter2-hunter2-\n", id="key-with-a-newline"),
    pytest.param("AUTH", "maybe", id="auth"),
    pytest.param("AUTH", "false", id="auth-as-a-boolean"),
    pytest.param("MIGRATE_ON_START", "perhaps", id="migrate"),
    pytest.param("SEED_ON_START", "2", id="seed"),
    pytest.param("SANDBOX", "beach", id="sandbox"),
    pytest.param("LOG_FORMAT", "xml", id="log-format"),
    pytest.param("LOG_LEVEL", "loud", id="log-level"),
]


def assert_one_line(err: str, name: str, value: str) -> None:
    """Check that what was said is one line that names the setting and shows neither its value nor a traceback."""
    assert err.startswith(f"wallet: {name}: "), err
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert "hunter2" not in err
    assert len(value) < 4 or value not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_ends_each_way_of_starting_with_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(serve, "serve", lambda _settings: pytest.fail("it would have started"))
    for command in ("serve", "migrate", "settings"):
        monkeypatch.setattr(sys, "argv", ["wallet", command])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert_one_line(capsys.readouterr().err, name, value)
    with pytest.raises(SystemExit) as ended:
        app.main.__getattr__("app")
    assert ended.value.code == 2
    assert_one_line(capsys.readouterr().err, name, value)


def test_a_wrong_setting_is_said_before_a_progress_bar_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTH", "maybe")
    monkeypatch.setattr(sys, "argv", ["wallet", "verify"])
    with pytest.raises(SystemExit):
        main()
    assert_one_line(capsys.readouterr().err, "AUTH", "maybe")


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("AUTH", "OFF", "off"),
        ("AUTH", " key ", "key"),
        ("AUTH", "", "key"),
        ("DATABASE_POOLER", "Transaction", "transaction"),
        ("LOG_FORMAT", "CONSOLE", "console"),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("PORT", "65535", "65535"),
        ("PORT", "", "8000"),
        ("MIGRATE_ON_START", "no", "False"),
        ("WORKERS", " 2 ", "2"),
    ],
)
def test_a_setting_is_read_without_fuss(name: str, value: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert str(getattr(load_settings(), name.lower())) == meant


def test_wallet_settings_shows_every_setting_but_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    monkeypatch.setenv("WALLET_API_KEY", SECRET + SECRET)
    monkeypatch.setattr(sys, "argv", ["wallet", "settings"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "hunter2" not in shown
    for name in Settings.model_fields:
        assert f"{name.upper()} = " in shown
    for text in (repr(load_settings()), str(load_settings()), load_settings().model_dump_json()):
        assert "hunter2" not in text


def test_a_database_that_cannot_be_reached_is_one_line_of_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in (
        UNREACHABLE,
        f"{UNREACHABLE}?sslmode=require",
        UNREACHABLE.replace("127.0.0.1", "no-such-host.invalid"),
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        for command in ("migrate", "verify"):
            monkeypatch.setattr(sys, "argv", ["wallet", command])
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code == 2
            lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
            said = [line for line in lines if line.startswith("wallet: ")]
            assert len(said) == 1
            assert_one_line(f"{said[0]}\n", "DATABASE_URL", url)


# -- as programs ---------------------------------------------------------------------------------------------------


def assert_refused(ended: Ended, name: str, *, codes: tuple[int, ...] = (2,)) -> None:
    """Check that a program ended with one line of ours, and without ever saying that it is up."""
    said = [line for line in ended.err.splitlines() if "wallet: " in line]
    assert len(said) == 1, ended
    assert f"wallet: {name}" in said[0]
    assert "Traceback" not in ended.err
    assert "is up" not in ended.out
    assert "running on" not in ended.err
    assert "hunter2" not in ended.out + ended.err
    assert ended.code in codes, ended


async def test_serving_on_a_database_that_cannot_be_reached_ends_at_once() -> None:
    assert_refused(await run(*SERVE, DATABASE_URL=UNREACHABLE, PORT=str(free_port())), "DATABASE_URL")


async def test_with_many_workers_too_a_database_that_cannot_be_reached_ends_at_once() -> None:
    ended = await run(*SERVE, DATABASE_URL=UNREACHABLE, PORT=str(free_port()), WORKERS="2")
    assert_refused(ended, "DATABASE_URL")


async def test_serving_on_a_server_that_refuses_our_password_ends_at_once(server_url: str) -> None:
    url = make_url(server_url).set(password=SECRET).render_as_string(hide_password=False)
    assert_refused(await run(*SERVE, DATABASE_URL=url, PORT=str(free_port())), "DATABASE_URL")


async def test_bare_uvicorn_ends_at_once_too(server_url: str) -> None:
    url = make_url(server_url).set(database="no_such_database").render_as_string(hide_password=False)
    command = ("-m", "uvicorn", "app.main:app", "--port", str(free_port()))
    wrong, refused = await asyncio.gather(run(*command, AUTH="maybe"), run(*command, DATABASE_URL=url))
    assert_refused(wrong, "AUTH")
    assert_refused(refused, "DATABASE_URL", codes=(2, 3))  # 3 is uvicorn's own


@pytest.mark.parametrize("settings", [{}, {"WORKERS": "2"}, {"MIGRATE_ON_START": "false"}], ids=str)
async def test_what_is_no_sandbox_is_refused_as_one_at_once(empty_url: str, settings: dict[str, str]) -> None:
    ended = await run(*SERVE, DATABASE_URL=empty_url, SANDBOX="true", PORT=str(free_port()), **settings)
    assert_refused(ended, "SANDBOX")


@own_sessions
async def test_no_other_way_of_starting_makes_a_sandbox_of_it_either(empty_url: str) -> None:
    uvicorn = ("-m", "uvicorn", "app.main:app", "--port", str(free_port()))
    ways = (uvicorn, ("-m", "app.cli", "migrate"))
    for ended in await asyncio.gather(
        *(run(*way, DATABASE_URL=empty_url, SANDBOX="true") for way in ways),
        run(*uvicorn, DATABASE_URL=empty_url, SANDBOX="true", MIGRATE_ON_START="false"),
    ):
        assert_refused(ended, "SANDBOX", codes=(2, 3))  # 3 is uvicorn's own
    seeded = await run("-m", "scripts.seed", DATABASE_URL=empty_url, SANDBOX="true")
    assert (seeded.code, seeded.err.partition("SANDBOX: ")[0], seeded.err.count("\n")) == (2, "seed: ", 1)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


async def test_a_port_that_is_taken_is_said_before_anything_is_started(taken_port: int, tmp_path: Path) -> None:
    ended = await run(*SERVE, PORT=str(taken_port), WALLET_HOME=str(tmp_path / "home"))
    assert_refused(ended, "PORT")
    assert str(taken_port) in ended.err
    assert not (tmp_path / "home").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_home_that_can_be_no_folder_is_said(open_folder: Path) -> None:
    (open_folder / "file").write_text("not a folder")
    ended = await run(*SERVE, PORT=str(free_port()), WALLET_HOME=str(open_folder / "file" / "home"))
    assert_refused(ended, "")
    assert "WALLET_HOME" in ended.err
    assert str(open_folder / "file") in ended.err


# -- database URLs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("POSTGRES://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("  postgres://u:p@h/d\n", "postgresql+asyncpg://u:p@h/d"),
        ("postgres://h/d", "postgresql+asyncpg://h/d"),
        ("postgres://u:p%40%2F%3A@h/d", "postgresql+asyncpg://u:p%40%2F%3A@h/d"),
        ("postgres://u:p@[::1]:5432/d", "postgresql+asyncpg://u:p@[::1]:5432/d"),
        ("postgres://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgres://u:p@h/d?sslmode=verify-full", "postgresql+asyncpg://u:p@h/d?ssl=verify-full"),
        ("postgres://u:p@h/d?sslmode=disable", "postgresql+asyncpg://u:p@h/d?ssl=disable"),
        ("postgres://u:p@h/d?sslmode=require&channel_binding=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgres://u@/d?host=/run/postgresql", "postgresql+asyncpg://u@/d?host=/run/postgresql"),
    ],
)
def test_a_database_url_is_rewritten_for_the_driver(given: str, meant: str) -> None:
    assert asyncpg_url(given) == meant
    assert make_url(meant).drivername == "postgresql+asyncpg"


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def test_every_sslmode_of_libpq_reaches_the_driver(sslmode: str) -> None:
    assert make_url(asyncpg_url(f"postgres://u:p@h/d?sslmode={sslmode}")).query == {"ssl": sslmode}
