"""What the Dockerfile names is there, gets through .dockerignore, and works as it stands."""

import importlib.util
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath

import pytest
from packaging.specifiers import SpecifierSet

from app import migration
from app.cli.main import cli
from app.config import Settings
from app.main import create_app
from scripts.replay_dockerfile import DockerIgnore, Instruction, ReplayError, context_files, exec_form, expand, parse

ROOT = Path(__file__).parents[2]
IGNORED = DockerIgnore((ROOT / ".dockerignore").read_text())
KNOWN_VARIABLES = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def instructions() -> list[Instruction]:
    return parse((ROOT / "Dockerfile").read_text())


def last_stage() -> list[Instruction]:
    everything = instructions()
    last = max(index for index, each in enumerate(everything) if each.keyword == "FROM")
    return everything[last:]


def only(keyword: str) -> Instruction:
    (found,) = [each for each in last_stage() if each.keyword == keyword]
    return found


def environment() -> dict[str, str]:
    pairs = [word.partition("=") for each in last_stage() if each.keyword == "ENV" for word in each.words]
    return {name: value for name, _, value in pairs}


def healthcheck() -> list[str]:
    return exec_form(only("HEALTHCHECK").argument.removeprefix("CMD").strip())


def context_copies() -> list[str]:
    """Return the sources of every COPY from the context."""
    copies = [each for each in instructions() if each.keyword == "COPY" and "from" not in each.flags]
    return [source for each in copies for source in each.words[:-1]]


def test_every_copied_source_is_there_and_gets_through_dockerignore() -> None:
    for source in context_copies():
        assert context_files(ROOT, source, IGNORED), source


def test_every_file_of_the_service_gets_through_dockerignore() -> None:
    for folder in ("app", "migrations"):
        there = {path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert {ROOT / path for path in context_files(ROOT, folder, IGNORED)} == there


def test_the_migrations_are_copied_beside_the_package() -> None:
    assert migration._FOLDER == ROOT / "migrations"
    assert {"app", "migrations"} <= set(context_copies())


@pytest.mark.parametrize(
    "path",
    [".env", ".git/config", ".wallet/password", "README.md", "tests/conftest.py", "app/__pycache__/x.pyc", "app/x.pyc"],
)
def test_nothing_else_reaches_the_builder(path: str) -> None:
    assert not IGNORED.lets_through(PurePosixPath(path))


@pytest.mark.parametrize(
    ("text", "path", "through"),
    [
        pytest.param("", "a", True, id="nothing-is-ignored"),
        pytest.param("# a\n\na", "a", False, id="comments-and-blank-lines"),
        pytest.param("a", "a/b/c", False, id="a-folder-with-what-is-in-it"),
        pytest.param("a", "b/a", True, id="from-the-root-only"),
        pytest.param("**/a", "b/a", False, id="at-any-depth"),
        pytest.param("**/a", "a", False, id="at-no-depth"),
        pytest.param("*.x", "a.x", False, id="a-star"),
        pytest.param("*.x", "b/a.x", True, id="a-star-stays-in-its-folder"),
        pytest.param("*\n!a", "a/b", True, id="an-exception-holds-below-it"),
        pytest.param("!a\n*", "a", False, id="the-last-match-decides"),
        pytest.param("/a/", "a", False, id="slashes-around"),
    ],
)
def test_dockerignore_is_read_as_docker_reads_it(text: str, path: str, *, through: bool) -> None:
    assert DockerIgnore(text).lets_through(PurePosixPath(path)) is through


def test_a_dockerfile_is_read_as_docker_reads_it() -> None:
    text = '# comment\nARG A=1\nCOPY --from=x --chmod=1 \\\n  # between\n  a b\ncmd ["p", "-c", "x y"]\n'
    arg, copy, command = parse(text)
    assert (arg.keyword, arg.argument) == ("ARG", "A=1")
    assert (copy.flags, copy.words) == ({"from": "x", "chmod": "1"}, ["a", "b"])
    assert (command.keyword, command.words) == ("CMD", ["p", "-c", "x y"])
    assert expand("$A-${B}-$C", {"A": "1", "B": "2"}) == "1-2-"
    with pytest.raises(ReplayError):
        exec_form("python -m app")


def test_both_stages_have_the_same_base_and_a_python_the_project_supports() -> None:
    (argument,) = [each.argument for each in instructions() if each.keyword == "ARG"]
    bases = {each.argument.split()[0] for each in instructions() if each.keyword == "FROM"}
    name, _, tag = argument.partition("=")
    (base,) = {expand(each, {name: tag}) for each in bases}
    version = re.fullmatch(r"python:(3\.\d+)-slim-[a-z]+", base)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version[1] in SpecifierSet(project["requires-python"])
    assert f'image.base.name="docker.io/library/{base}"' in only("LABEL").argument


def test_everything_is_installed_from_the_lock_file_by_its_hashes() -> None:
    installs = [each.argument for each in instructions() if each.keyword == "RUN" and " install" in each.argument]
    assert installs
    assert all("--require-hashes" in each and "requirements.lock" in each for each in installs)


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    assert all(int(number) > 0 for number in only("USER").argument.split(":"))


def test_the_variables_are_settings_or_pythons_own() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    assert environment().keys() <= settings | KNOWN_VARIABLES


def test_the_port_is_the_same_everywhere() -> None:
    assert environment()["PORT"] == only("EXPOSE").argument == str(Settings.model_fields["port"].default)
    assert environment()["HOST"] == "0.0.0.0"  # noqa: S104 - a container is reached from outside


def test_the_command_is_one_of_the_command_line() -> None:
    program, flag, module, command = exec_form(only("CMD").argument)
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    assert command in {each.name or each.callback.__name__ for each in cli.registered_commands if each.callback}


def test_it_is_stopped_by_the_signal_that_drains() -> None:
    assert only("STOPSIGNAL").argument == "SIGTERM"


def test_the_healthcheck_asks_a_path_that_the_service_has() -> None:
    (path,) = re.findall(r"'GET', '([^']+)'", healthcheck()[-1])
    application = create_app(Settings()).application  # type: ignore[attr-defined]  # the FastAPI inside
    assert path in application.openapi()["paths"]


@pytest.mark.parametrize(("status", "passes"), [(200, True), (503, False)])
def test_the_healthcheck_tells_a_ready_service_from_one_that_is_not(status: int, *, passes: bool) -> None:
    with answering(status) as port:
        assert (asked(port) == 0) is passes


def test_the_healthcheck_fails_when_nothing_listens() -> None:
    with answering(200) as port:
        pass
    assert asked(port) != 0


def asked(port: int) -> int:
    """Run the HEALTHCHECK as Docker would; a proxy in the environment must not be asked."""
    _, *arguments = healthcheck()
    variables = os.environ | {"PORT": str(port), "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, *arguments], env=variables, check=False, capture_output=True).returncode


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Serve one status under /health/ready and lend the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
