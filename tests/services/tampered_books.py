"""A ledger with one of everything, as the service writes it; tampering*.py changes it behind the service's back."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from app.database import Database
from app.domain.commands import Command, Operation
from app.domain.errors import StateRefusal
from app.domain.records import AccountStatus
from app.services.account_service import AccountService
from app.services.wallet_service import WalletService
from tests import commands as ask
from tests.commands import note

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ALICE, CAROL, DAVE = "user_alice", "user_carol", "user_dave"
FOR_LONG = 30 * 86_400


@dataclass(frozen=True)
class Books:
    """A ledger with one of everything, and a connection that may change it at will.

    Alice has: 1 to 4 the seed's credits; 5 a top-up of 3.00 GOLD with a note, burned first and expiring soon; 6 a spend
    of 1.00 from it; 7 a refused spend; 8 its expiry; 9 a spend of 55.00 from two lots; 10 a bonus that will expire.
    Bob has the seed's credits. What Carol and Dave have is listed where it is written.
    """

    database: Database
    connection: Connection
    ids: dict[str, int]


class Writer:
    """Executes commands, on a clock that can be advanced."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.wallets = WalletService(database)
        self.accounts = AccountService(database, self.wallets)
        self._connection = connection

    async def run(self, command: Operation) -> UUID:
        return (await self.wallets.execute(command)).transaction_id

    async def refuse(self, command: Command) -> None:
        with pytest.raises(StateRefusal):
            await self.wallets.execute(command)

    async def advance(self, interval: str) -> None:
        await self._connection.execute(
            "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
            f"RETURN clock_timestamp() + interval '{interval}'"
        )


async def write(writer: Writer) -> None:
    run = writer.run
    texts = note(reference="order 7", metadata='{"shop":"north"}')
    await run(ask.top_up(ALICE, 300, days=1, priority=10, key="soon", note=texts))
    await run(ask.spend(ALICE, 100, key="spend"))
    await writer.refuse(ask.spend(ALICE, 10**9, key="refused"))
    gone = await _write_before(writer)
    await writer.advance("2 days")
    await run(ask.spend(ALICE, 5_500))
    await run(ask.bonus(ALICE, 50, days=30, key="later"))
    await _write_after(writer, gone)


async def _write_before(writer: Writer) -> UUID:
    """Write what Carol and Dave do at first; each line says which of Carol's transactions it makes.

    Returns:
        The id of 14.
    """
    run = writer.run
    await run(ask.top_up(CAROL, 1_000, open_account=True))  # 1: burned last
    await run(ask.bonus(CAROL, 300, days=1, priority=10))  # 2
    partly = await run(ask.hold(CAROL, 200, seconds=FOR_LONG, key="partly"))  # 3
    await run(ask.capture(CAROL, partly, 50, final=False))  # 4: stays open with 150 of lot 2
    released = await run(ask.hold(CAROL, 250))  # 5: 100 of lot 2 and 150 of lot 1
    await run(ask.release(CAROL, released))  # 6
    await run(ask.hold(CAROL, 40, seconds=3_600))  # 7: of lot 2; its deadline will come
    extended = await run(ask.hold(CAROL, 60))  # 8: the rest of lot 2
    await run(ask.extend(CAROL, extended, 100, seconds=2 * FOR_LONG))  # 9: of lot 1
    spent = await run(ask.spend(CAROL, 30))  # 10: of lot 1
    await run(ask.refund(CAROL, spent, 10))  # 11
    await run(ask.refund(CAROL, spent))  # 12
    await run(ask.bonus(CAROL, 70, days=1, priority=5))  # 13
    gone = await run(ask.spend(CAROL, 70))  # 14: all of it
    owing = await run(ask.top_up(CAROL, 500, priority=1))  # 15
    spent = await run(ask.spend(CAROL, 450))  # 16: of it
    released = await run(ask.hold(CAROL, 30))  # 17: of it
    await run(ask.reversal(CAROL, owing, partial=True))  # 18: takes 20, 480 are owed
    await run(ask.refund(CAROL, spent, 100))  # 19: pays 100
    await run(ask.release(CAROL, released))  # 20: pays 30
    why = note(operator="Olga", reason="a mistake")
    await run(ask.adjustment(CAROL, 25, note=why))  # 21
    await run(ask.adjustment(CAROL, -15, note=why))  # 22: of lot 1
    exchange = ask.group(CAROL, ask.spend(CAROL, 20), ask.top_up(CAROL, 7, asset=2), key="exchange")
    await writer.wallets.execute(exchange)  # 23, 24, 25
    await writer.refuse(ask.group(CAROL, ask.spend(CAROL, 20), ask.spend(CAROL, 10**9), key="too much"))  # 26
    await writer.wallets.execute(ask.change_account(CAROL, limits={1: {"balance_max": 10**9}, 2: {"amount_min": 2}}))
    await writer.wallets.execute(ask.change_account(CAROL, status=AccountStatus.FROZEN, note=why))  # 28
    await writer.refuse(ask.spend(CAROL, 1, key="frozen"))  # 29
    await writer.wallets.execute(ask.change_account(CAROL, status=AccountStatus.ACTIVE))  # 30
    await run(ask.top_up(DAVE, 10, open_account=True, note=note(reference="order 9")))
    await run(ask.spend(DAVE, 10))
    await writer.wallets.execute(ask.change_account(DAVE, status=AccountStatus.CLOSED, note=why))
    await writer.accounts.erase(ask.erase_account(DAVE))
    return gone


async def _write_after(writer: Writer, gone: UUID) -> None:
    """Write what Carol does two days later. First it is booked that hold 7 ended (31) and then its 40 expired (32)."""
    run = writer.run
    await run(ask.refund(CAROL, gone))  # 33: into a new lot
    captured = await run(ask.hold(CAROL, 50))  # 34: of the new lot
    await run(ask.capture(CAROL, captured, 80, from_available=True))  # 35: its other 20, and 10 of lot 1
    captured = await run(ask.hold(CAROL, 50))  # 36: of lot 1
    await run(ask.capture(CAROL, captured, 20))  # 37: 30 are released
    spent = await run(ask.spend(CAROL, 10**6, partial=True))  # 38: all that there is
    await run(ask.refund(CAROL, spent, 5))  # 39
    await run(ask.bonus(CAROL, 90, days=30))  # 40
