"""Replays the Dockerfile without Docker, in a temporary folder, and says what happened.

    python -m scripts.replay_dockerfile --database-url postgresql://… [--then "python -m scripts.seed"]

Makes the virtual environment, installs with hashes, copies what .dockerignore lets through, starts the CMD, asks the
HEALTHCHECK until it passes, and sends the STOPSIGNAL. What it can't show: the base image (the Python given here stands
for it), the container's own network, and, unless root runs it, the USER. It knows the instructions that our Dockerfile
uses and refuses others.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

IMAGE_PATH = re.compile(r"(?<![\w./-])(?=/(?:opt|srv)(?:/|\b))")
"""Where a path begins that the image has and this machine has not: all that our Dockerfile makes is below these two."""

PASSED_TO_RUN = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE")
"""Variables of this machine that installing may need. A build with Docker takes the proxies of them as well."""

LEFT_ALONE = frozenset({"EXPOSE", "LABEL"})
KILL_AFTER_SECONDS = 30
POLL_SECONDS = 0.25


class ReplayError(Exception):
    """The Dockerfile can't be replayed, or a step of it failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """One instruction: `flags` are its leading `--name=value`, `argument` is the rest, its lines joined."""

    keyword: str
    flags: Mapping[str, str]
    argument: str

    @property
    def words(self) -> list[str]:
        """The argument as a list: the JSON of the exec form, else split as a shell does."""
        if self.argument.startswith("["):
            return [str(word) for word in json.loads(self.argument)]
        return shlex.split(self.argument)


def parse(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    instructions = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        flags = {}
        while found := re.match(r"\s*--([a-z-]+)=(\S+)\s+", rest):
            flags[found[1]] = found[2]
            rest = rest[found.end() :]
        instructions.append(Instruction(keyword=keyword.upper(), flags=flags, argument=rest.strip()))
    return instructions


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in, as in `$NAME` and `${NAME}`; unknown ones are empty."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables.get(found[1] or found[2], ""), text)


class DockerIgnore:
    """What .dockerignore keeps from the builder: the last pattern that matches a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        self._rules = [(_pattern(line.removeprefix("!")), line.startswith("!")) for line in lines]

    def lets_through(self, path: PurePosixPath) -> bool:
        """Tell whether the file at `path`, relative to the context, reaches the builder."""
        through = True
        names = [str(path), *(str(folder) for folder in path.parents if folder.name)]
        for pattern, is_exception in self._rules:
            if any(pattern.fullmatch(name) for name in names):
                through = is_exception
        return through


def _pattern(text: str) -> re.Pattern[str]:
    translated = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text.strip("/"))
    return re.compile("".join(translated.get(part, re.escape(part)) for part in parts))


def context_files(root: Path, source: str, ignored: DockerIgnore) -> list[PurePosixPath]:
    """Return the files that `COPY source` takes from the context."""
    start = root / source
    found = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
    relative = [PurePosixPath(path.relative_to(root).as_posix()) for path in found]
    return [path for path in relative if ignored.lets_through(path)]


@dataclass(kw_only=True)
class Stage:
    """A stage while it is built: `root` stands for the `/` of its image."""

    root: Path
    environment: dict[str, str]
    workdir: str = "/"
    user: int | None = None
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    stop_signal: signal.Signals = signal.SIGTERM

    def on_disk(self, path: str) -> Path:
        """Return where the image's `path` is on this machine."""
        return self.root / str(PurePosixPath(self.workdir, path)).lstrip("/")

    def mapped(self, text: str) -> str:
        """Return `text` with this machine's paths for those of the image."""
        return IMAGE_PATH.sub(str(self.root), text)


class Replay:
    """One run through a Dockerfile, below `folder`."""

    def __init__(self, *, context: Path, folder: Path, python: Path) -> None:
        self._context = context
        self._folder = folder
        self._python = python
        self._ignored = DockerIgnore((context / ".dockerignore").read_text())
        self._arguments: dict[str, str] = {}
        self._stages: dict[str, Stage] = {}
        self._programs = folder / "bin"
        self._programs.mkdir()
        stand_in = self._programs / "python"
        stand_in.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        stand_in.chmod(0o755)

    def build(self) -> Stage:
        """Replay every stage and return the last."""
        stage: Stage | None = None
        for each in parse((self._context / "Dockerfile").read_text()):
            began = time.monotonic()
            if each.keyword == "ARG" and stage is None:
                name, _, default = each.argument.partition("=")
                self._arguments[name] = default
            elif each.keyword == "FROM":
                stage = self._begin_stage(each)
            elif stage is None:
                raise ReplayError(f"{each.keyword} stands before the first FROM")
            else:
                self._step(stage, each)
            _say(f"{each.keyword:<11} {_short(each.argument)}", since=began)
        if stage is None:
            raise ReplayError("the Dockerfile has no FROM")
        return stage

    def _begin_stage(self, instruction: Instruction) -> Stage:
        image, *named = expand(instruction.argument, self._arguments).split()
        name = named[1] if named else str(len(self._stages))
        wanted = re.search(r"python:(\d+\.\d+)", image)
        given = _output([str(self._python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        if wanted is None or wanted[1] != given:
            _say(f"(the image is {image}; Python {given} stands for it)")
        root = self._folder / f"stage-{name}"
        root.mkdir()
        environment = {"PATH": f"{self._programs}:/usr/bin:/bin", "HOME": str(root)}
        self._stages[name] = Stage(root=root, environment=environment)
        return self._stages[name]

    def _step(self, stage: Stage, instruction: Instruction) -> None:
        match instruction.keyword:
            case "WORKDIR":
                stage.workdir = str(PurePosixPath(stage.workdir, instruction.argument))
                stage.on_disk("").mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(stage, instruction)
            case "RUN":
                _run_in_build(stage, instruction.argument)
            case keyword if keyword not in LEFT_ALONE:
                _configure(stage, instruction)

    def _copy(self, stage: Stage, instruction: Instruction) -> None:
        *sources, target = instruction.words
        into_folder = target.endswith("/") or len(sources) > 1
        for source in sources:
            destination = stage.on_disk(target)
            if "from" in instruction.flags:
                origin = self._stages[instruction.flags["from"]].on_disk(source)
                shutil.copytree(origin, destination, symlinks=True, dirs_exist_ok=True)
                continue
            files = context_files(self._context, source, self._ignored)
            if not files:
                raise ReplayError(f"COPY {source}: nothing there, or .dockerignore keeps it back")
            for file in files:
                inside = file.relative_to(source)
                copied = destination / (file.name if into_folder else "") / inside
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context / file, copied)


def _configure(stage: Stage, instruction: Instruction) -> None:
    match instruction.keyword:
        case "ENV":
            for assignment in instruction.words:
                name, _, value = assignment.partition("=")
                stage.environment[name] = stage.mapped(expand(value, stage.environment))
        case "USER":
            stage.user = int(instruction.argument.partition(":")[0])
        case "STOPSIGNAL":
            stage.stop_signal = signal.Signals[instruction.argument]
        case "HEALTHCHECK":
            stage.healthcheck = exec_form(instruction.argument.removeprefix("CMD").strip())
        case "CMD":
            stage.command = exec_form(instruction.argument)
        case keyword:
            raise ReplayError(f"{keyword} is not known here")


def exec_form(argument: str) -> list[str]:
    """Return the words of a command in exec form; refuse the form that goes through a shell."""
    if not argument.startswith("["):
        raise ReplayError(f"not in exec form, so signals would reach a shell only: {argument}")
    return [str(word) for word in json.loads(argument)]


def _run_in_build(stage: Stage, script: str) -> None:
    passed = {name: os.environ[name] for name in PASSED_TO_RUN if name in os.environ}
    done = subprocess.run(  # noqa: S603 - the Dockerfile's own command
        ["/bin/sh", "-c", stage.mapped(script)],
        cwd=stage.on_disk(""),
        env=passed | stage.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReplayError(f"RUN ended with {done.returncode}:\n{done.stdout}{done.stderr}")


class Container:
    """The last stage, running."""

    def __init__(self, stage: Stage, variables: Mapping[str, str], log: Path) -> None:
        self._stage = stage
        self._environment = stage.environment | dict(variables)
        self._user = _possible_user(stage)
        self._log = log

    def start_and_stop(self, *, patience: float, then: Sequence[str]) -> None:
        """Start the CMD, wait until the HEALTHCHECK passes, run the commands of `then`, send the STOPSIGNAL."""
        began = time.monotonic()
        with self._log.open("wb") as log:
            service = subprocess.Popen(  # noqa: S603 - the Dockerfile's own command
                self._stage.command,
                cwd=self._stage.on_disk(""),
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
            try:
                self._wait_until_healthy(service, patience)
                _say(f"CMD         {shlex.join(self._stage.command)}: HEALTHCHECK passes", since=began)
                for command in then:
                    began = time.monotonic()
                    done = self.execute(shlex.split(command))
                    _say(f"exec        {command}: {_last_line(done.stdout)}", since=began)
                    if done.returncode:
                        raise ReplayError(f"{command} ended with {done.returncode}")
                began = time.monotonic()
                service.send_signal(self._stage.stop_signal)
                status = service.wait(KILL_AFTER_SECONDS)
                _say(f"{self._stage.stop_signal.name:<11} ended with {status}", since=began)
            finally:
                if service.poll() is None:
                    os.killpg(service.pid, signal.SIGKILL)
        if status != 0:
            raise ReplayError(f"the CMD ended with {status} after {self._stage.stop_signal.name}")

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command beside the CMD, as `docker exec` does."""
        return subprocess.run(  # noqa: S603 - the Dockerfile's own command, or the caller's
            command,
            cwd=self._stage.on_disk(""),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def _wait_until_healthy(self, service: subprocess.Popen[bytes], patience: float) -> None:
        deadline = time.monotonic() + patience
        while (asked := self.execute(self._stage.healthcheck)).returncode:
            if service.poll() is not None:
                raise ReplayError(f"the CMD ended with {service.returncode}:\n{self._log.read_text()}")
            if time.monotonic() > deadline:
                raise ReplayError(f"still unhealthy:\n{asked.stdout}\n{self._log.read_text()}")
            time.sleep(POLL_SECONDS)


def _possible_user(stage: Stage) -> int | None:
    """Return the USER to become, None where that is not possible."""
    if not stage.user:
        raise ReplayError("the image would run as root")
    if os.geteuid() != 0:
        _say(f"(only root can become user {stage.user}; this runs as {os.geteuid()})")
        return None
    try:
        subprocess.run(
            ["python", "-c", ""],  # noqa: S607 - that of the image: it comes first in its PATH
            env=stage.environment,
            user=stage.user,
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        _say(f"(user {stage.user} may not read this Python: give another --python; this runs as root)")
        return None
    return stage.user


def _seal(root: Path, *, writable: bool) -> None:
    """Take the right to write to the image's files, as a read-only root does, or give it back."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if writable else mode & ~0o222)


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _say(text: str, *, since: float | None = None) -> None:
    print(text if since is None else f"{text}  ({time.monotonic() - since:.1f} s)", flush=True)


def _short(text: str, characters: int = 88) -> str:
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(says nothing)"])[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _temporary_folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="wallet-image-"))
    folder.chmod(0o755)  # the image's user must be able to enter
    try:
        yield folder
    finally:
        if keep:
            _say(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


def main() -> int:
    """Replay the Dockerfile and return 0 when everything in it works."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--database-url", required=True, help="a PostgreSQL that may be written to")
    options.add_argument("--port", type=int, default=0, help="where to serve; a free one by default")
    options.add_argument("--python", type=Path, default=Path(sys.executable), help="what stands for the base image")
    options.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="another variable")
    options.add_argument("--then", action="append", default=[], metavar="COMMAND", help="run in the image once healthy")
    options.add_argument("--patience", type=float, default=60, help="seconds until it must be healthy")
    options.add_argument("--keep", action="store_true", help="keep the folder")
    given = options.parse_args()
    variables = {"DATABASE_URL": given.database_url, "PORT": str(given.port or _free_port())}
    variables |= dict(each.split("=", 1) for each in given.env)
    try:
        with _temporary_folder(keep=given.keep) as folder:
            stage = Replay(context=ROOT, folder=folder, python=given.python.absolute()).build()
            _seal(stage.root, writable=False)
            try:
                Container(stage, variables, folder / "log").start_and_stop(patience=given.patience, then=given.then)
            finally:
                _seal(stage.root, writable=True)
    except ReplayError as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    _say("The Dockerfile works, as far as can be seen without Docker.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
