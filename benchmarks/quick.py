"""Compares this service with the straightforward one, in a minute or two: `make bench-quick`.

Both run on the same machine and the same PostgreSQL, and are measured in turns, so that a noisy machine hits both. What
counts are the ratios.
"""

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.embedded_postgres import EmbeddedPostgresError
from benchmarks.load import BenchmarkError, Load, Measured, WrkMissing, check_wrk, run
from benchmarks.servers import OURS, ROOT, THEIRS, Servers, Service, started, wait_until_idle

USERS = 10_000
WARM_UP_SECONDS = 2

SPEND = Load(kind="spend", connections=32)
HOT = Load(kind="hot", connections=32)
BATCH = Load(kind="batch", connections=4)
HOLD = Load(kind="hold", connections=32)
READ = Load(kind="read", connections=32)

Turn = tuple[str, Load]
TURNS: tuple[Turn, ...] = (
    (OURS, SPEND),
    (THEIRS, SPEND),
    (OURS, BATCH),
    (OURS, HOT),
    (OURS, HOLD),
    (OURS, READ),
    (THEIRS, READ),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what is measured, what it is compared with, and how many times as much it should be."""

    what: str
    turn: Turn
    against: Turn
    against_name: str
    target: float | None = None


ROWS = (
    Row(
        what="single spends, 32 connections",
        turn=(OURS, SPEND),
        against=(THEIRS, SPEND),
        against_name="theirs",
        target=10,
    ),
    Row(
        what="spends in batches of 1,000, 4 connections",
        turn=(OURS, BATCH),
        against=(THEIRS, SPEND),
        against_name="theirs, single",
        target=60,
    ),
    Row(
        what="spends of one hot wallet, 32 connections",
        turn=(OURS, HOT),
        against=(OURS, SPEND),
        against_name="ours, all users",
        target=0.8,
    ),
    Row(
        what="holds, each with its capture, 32 connections",
        turn=(OURS, HOLD),
        against=(OURS, SPEND),
        against_name="ours, all users",
        target=1 / 2.2,
    ),
    Row(what="balance reads, 32 connections", turn=(OURS, READ), against=(THEIRS, READ), against_name="theirs"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    rounds: int
    seconds: int
    workers: int
    keys: bool


def main() -> int:
    """Run the benchmark and return the exit status: 0 also when a target is missed."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is stopped
    try:
        check_wrk()
        _print_machine()
        with started(USERS, options.workers) as servers:
            _print_circumstances(servers, options)
            _check_same_answers(servers)
            measured = _measure(servers, options)
        _print_table(measured)
        _print_details(measured)
    except WrkMissing as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except (BenchmarkError, EmbeddedPostgresError) as error:
        print(f"bench: FAILED: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--seconds", type=_positive, default=4, help="how long each time (default: 4)")
    parser.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        help="processes of each service (default: one a core)",
    )
    parser.add_argument(
        "--keys",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="give every spend an idempotency key of its own (default: yes)",
    )
    given = parser.parse_args()
    return Options(rounds=given.rounds, seconds=given.seconds, workers=given.workers, keys=given.keys)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _measure(servers: Servers, options: Options) -> dict[Turn, list[Measured]]:
    """Take turns: warm everything up, then measure everything, as many rounds as asked for."""
    services = {OURS: servers.ours, THEIRS: servers.theirs}
    measured: dict[Turn, list[Measured]] = {turn: [] for turn in TURNS}
    seed = 0
    for number in range(options.rounds + 1):
        _print_progress(number, options.rounds)
        seconds = options.seconds if number else WARM_UP_SECONDS
        for turn in TURNS:
            name, load = turn
            seed += 1
            service = services[name]
            result = run(
                load, service.port, service.accounts, users=USERS, seconds=seconds, seed=seed, keys=options.keys
            )
            wait_until_idle(service)
            if number:
                measured[turn].append(result)
    return measured


def _check_same_answers(servers: Servers) -> None:
    """Make sure that both do the same work: the same calls have the same outcome.

    Raises:
        BenchmarkError: they have not.
    """
    ours, theirs = _outcomes(servers.ours), _outcomes(servers.theirs)
    if ours != theirs:
        raise BenchmarkError(f"the two services answer differently: {ours} and {theirs}")


def _outcomes(service: Service) -> list[tuple[int, Any]]:
    """Make some calls that leave a balance of 1,000,000.00 and return their statuses and balances."""
    user = "/wallets/users/user_2"

    def write(path: str, amount: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        body = {"amount": amount, "asset_type_id": 1} | ({"idempotency_key": key} if key else {})
        return service.call("POST", path, body)

    answers = [
        write(f"{user}/top-up", "50.00"),
        write(f"{user}/bonus", "5.50"),
        write(f"{user}/spend", "55.50", "once"),
        write(f"{user}/spend", "55.50", "once"),
        write(f"{user}/spend", "54.50", "once"),
        write(f"{user}/spend", "1000000.01"),
        write(f"{user}/spend", "0.001"),
        write("/wallets/users/nobody/spend", "1.00"),
        service.call("GET", f"{user}/balance?asset_type_id=1"),
        service.call("GET", f"{user}/balance?asset_type_id=2"),
    ]
    if answers[2][1].get("transaction_id") != answers[3][1].get("transaction_id"):
        raise BenchmarkError(f"{service.name}: the same key was booked twice")
    return [(status, answer.get("new_balance", answer.get("balance"))) for status, answer in answers]


# What is printed


def _print_machine() -> None:
    busy = os.getloadavg()[0]
    print(
        f"{os.cpu_count()} cores for both services, PostgreSQL and the load generator; load average before: {busy:.1f}"
    )


def _print_circumstances(servers: Servers, options: Options) -> None:
    print(f"commit {_commit()}, Python {platform.python_version()}, PostgreSQL {servers.postgresql_version}")
    keys = "a new idempotency key in every spend" if options.keys else "no idempotency keys"
    rounds = f"{options.rounds} rounds of {options.seconds} s, in turns"
    print(f"{options.workers} processes a service, {USERS:,} users, {keys}, durable commits; {rounds}", flush=True)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _print_progress(number: int, rounds: int) -> None:
    print(f"round {number} of {rounds} …" if number else "warming up …", file=sys.stderr, flush=True)


def _print_table(measured: dict[Turn, list[Measured]]) -> None:
    print("\nOperations a second, medians of the rounds\n")
    head = ("what", "ours", "compared with", "", "ratio", "target", "")
    _print_columns([head, *(_line(row, measured) for row in ROWS)], right={1, 2, 4, 5})
    if busy := sum(each.busy for rounds in measured.values() for each in rounds):
        print(f"\n{busy:,} operations in batches were refused as busy and are not counted: the machine is too slow.")
    print("\nAbsolute numbers only mean something within one run: compare ratios.")


def _line(row: Row, measured: dict[Turn, list[Measured]]) -> tuple[str, ...]:
    ours, other = _per_second(measured[row.turn]), _per_second(measured[row.against])
    ratio = ours / other
    verdict = "" if row.target is None else "met" if ratio >= row.target else "NOT MET"
    target = "" if row.target is None else f">= {row.target:.3g}"
    return (row.what, f"{ours:,.0f}", f"{other:,.0f}", row.against_name, f"{ratio:.2f}", target, verdict)


def _print_details(measured: dict[Turn, list[Measured]]) -> None:
    print("\nLatency of a request in milliseconds, medians of the rounds, and operations a second of each round\n")
    lines = [("what", "p50", "p99", "rounds")]
    for (name, load), rounds in measured.items():
        each = "  ".join(f"{one.per_second:,.0f}" for one in rounds)
        lines.append((f"{name}, {load.kind}", _median(rounds, _p50), _median(rounds, _p99), each))
    _print_columns(lines, right={1, 2})


def _print_columns(lines: Sequence[tuple[str, ...]], *, right: set[int]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            text.rjust(width) if number in right else text.ljust(width)
            for number, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def _per_second(rounds: list[Measured]) -> float:
    return statistics.median(each.per_second for each in rounds)


def _median(rounds: list[Measured], of: Callable[[Measured], float]) -> str:
    return f"{statistics.median(map(of, rounds)):.1f}"


def _p50(measured: Measured) -> float:
    return measured.p50


def _p99(measured: Measured) -> float:
    return measured.p99


if __name__ == "__main__":
    sys.exit(main())
