"""What holds cost beside spends, and how fast the due job is: `python -m benchmarks.credits`, a minute.

Below HTTP, in a process set up as the service's, on a PostgreSQL of its own. What counts are the ratios.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import text

from app.database import Database, create_database
from app.domain.commands import Bonus, Capture, Command, PlaceHold, Spend, TopUp
from app.domain.placement import bucket_of
from app.embedded_postgres import EmbeddedPostgres
from app.main import collect_garbage_rarely
from app.migration import migrate
from app.services.due_job import DueJob
from app.services.ids import new_id
from app.services.seed_service import seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService

USERS = 2_000
CALLERS = 32
CALLS_IN_A_TURN = 10 * CALLERS
WARM_UP_TURNS = 10
DUE_USERS = 1_000
LOTS_OF_EACH = 50

_numbers = count()

Call = Callable[[WalletService, str], Awaitable[None]]


def _common(user: str) -> dict[str, Any]:
    bucket = bucket_of(user)
    return {
        "transaction_id": new_id(bucket),
        "external_user_id": user,
        "bucket": bucket,
        "actor": "benchmark",
        "idempotency_key": f"key-{next(_numbers)}",
        "asset_type_id": 1,
    }


async def spend(wallets: WalletService, user: str) -> None:
    await wallets.execute(Spend(**_common(user), amount=1))


async def hold_and_capture(wallets: WalletService, user: str) -> None:
    hold = await wallets.execute(PlaceHold(**_common(user), amount=2))
    await wallets.execute(Capture(**_common(user), hold_id=hold.transaction_id, amount=1))


async def seconds_of(call: Call, wallets: WalletService, calls: int) -> float:
    """Return how long `calls` calls by `CALLERS` callers take."""
    users = (f"user_{number % USERS}" for number in range(calls))

    async def caller() -> None:
        for user in users:
            await call(wallets, user)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return time.perf_counter() - began


async def compare_holds(wallets: WalletService, turns: int) -> None:
    """Compare in turns so short that a machine which changes its speed does so for both."""
    ratios, rates = [], []
    for number in range(turns + WARM_UP_TURNS):
        plain = await seconds_of(spend, wallets, CALLS_IN_A_TURN)
        held = await seconds_of(hold_and_capture, wallets, CALLS_IN_A_TURN)
        if number >= WARM_UP_TURNS:
            ratios.append(held / plain)
            rates.append(CALLS_IN_A_TURN / plain)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"spends by {CALLERS} callers:          {statistics.median(rates):8,.0f}/s")
    print(f"hold + capture:                {middle:8.2f} x a spend (target 2.2; half between {low:.2f} and {high:.2f})")


async def time_wide_wallet(wallets: WalletService, lots: int) -> None:
    """Spend few of very many lots, and more than there are."""
    user = "wide"
    for first in range(0, lots, 4_000):
        await wallets.execute_all(
            [
                Bonus(**_common(user), amount=1, lot_id=new_id(bucket_of(user)), expires_in_days=30, open_account=True)
                for _ in range(first, min(first + 4_000, lots))
            ]
        )
    few = [await _milliseconds(wallets, Spend(**_common(user), amount=3)) for _ in range(50)]
    much = [await _milliseconds(wallets, Spend(**_common(user), amount=lots + 1)) for _ in range(20)]
    print(f"wallet of {lots:,} lots:        {statistics.median(few):8.2f} ms a spend of 3 of them")
    print(f"  more than it has:            {statistics.median(much):8.2f} ms to be refused")


async def _milliseconds(wallets: WalletService, command: Command) -> float:
    began = time.perf_counter()
    await wallets.execute_all([command])
    return (time.perf_counter() - began) * 1000


async def time_due_job(database: Database, wallets: WalletService) -> None:
    users = [f"due_{number}" for number in range(DUE_USERS)]
    for _ in range(LOTS_OF_EACH):
        answers = await wallets.execute_all(
            [
                Bonus(**_common(user), amount=1, lot_id=new_id(bucket_of(user)), expires_in_days=1, open_account=True)
                for user in users
            ]
        )
        if any(isinstance(each, Exception) for each in answers):
            raise RuntimeError("a lot was refused")
    async with database.engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
                "RETURN clock_timestamp() + interval '40 days'"
            )
        )
    began = time.perf_counter()
    job = asyncio.create_task(_book_everything(DueJob(database, wallets)))
    waits = []
    while not job.done():
        waits.append(await _milliseconds(wallets, Spend(**_common("user_1"), amount=1)))
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    async with database.connect() as connection:
        expired = await connection.scalar(text("SELECT count(*) FROM lots WHERE NOT open AND expires_at IS NOT NULL"))
    print(f"due job:                       {expired / seconds:8,.0f} lots/s (target 5,000), {expired:,} of them")
    print(f"  spends of another meanwhile: {statistics.median(waits):8.2f} ms, the slowest {max(waits):,.0f} ms")


async def _book_everything(job: DueJob) -> None:
    while await job.run_once():
        pass


async def measure(server: EmbeddedPostgres, turns: int, lots: int) -> None:
    await create_database(server.url("postgres"), "wallet")
    database = Database(server.url("wallet"))
    try:
        await migrate(database, sandbox=False)
        await seed(database)
        wallets = WalletService(database)
        for first in range(0, USERS, 500):
            await wallets.execute_all(
                [
                    TopUp(**_common(user), amount=10**9, lot_id=new_id(bucket_of(user)), open_account=True)
                    for user in (f"user_{number}" for number in range(first, first + 500))
                ]
            )
        await compare_holds(wallets, turns)
        await time_wide_wallet(wallets, lots)
        await time_due_job(database, wallets)
        await wallets.close()
        problem = (await verify(database)).problem
        print(f"verify afterwards:             {problem or 'nothing wrong'}")
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100, help=f"of {CALLS_IN_A_TURN} spends and as many holds")
    parser.add_argument("--lots", type=int, default=100_000, help="of the wallet of very many")
    options = parser.parse_args()
    collect_garbage_rarely()
    folder = Path(tempfile.mkdtemp(prefix="wallet-bench-"))
    folder.chmod(0o755)  # as root the server is another user, who must be able to enter
    try:
        with (
            EmbeddedPostgres(folder / "postgres") as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(measure(server, options.turns, options.lots))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
