"""The engine in memory, as a ledger to be judged."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain.commands import Command
from app.domain.errors import WalletError
from app.domain.placement import TREASURY_ID
from app.domain.records import (
    AnyReceipt,
    AssetType,
    ChangeReceipt,
    GroupReceipt,
    LotRow,
    Outcome,
    Receipt,
    TransactionRecord,
)
from tests.domain.memory_ledger import BUCKET, OWNER_ID, USER, MemoryLedger, fresh_id
from tests.model.driver import EPOCH, FACTS, Seen, State, us


class EngineDriver:
    exact = True
    user = USER
    bucket = BUCKET

    def start(self, assets: Mapping[int, AssetType], now: int) -> None:
        self.ledger = MemoryLedger()
        self.ledger.assets = dict(assets)
        self._now = now
        self._numbers: dict[UUID, int] = {}
        self._rows: list[Seen] = []

    def fresh_id(self) -> UUID:
        return fresh_id()

    def now(self) -> int:
        return self._now

    def advance(self, microseconds: int) -> None:
        self._now += microseconds

    def run(self, commands: Sequence[Command]) -> list[Seen]:
        answers = self.ledger.unit(commands, self._moment())
        self._number_lots()
        return [
            self._refusal(each) if isinstance(each, WalletError) else self._receipt(each, command.type.value)
            for command, each in zip(commands, answers, strict=True)
        ]

    def state(self) -> State:
        ledger = self.ledger
        ledger.unit([], self._moment())
        self._number_lots()
        return State(
            balances={
                each.asset_type_id: {"balance": each.posted, "held": each.held, "available": each.posted - each.held}
                for each in ledger.wallets.values()
            },
            lots={self._numbers[each.id]: self._lot(each) for each in ledger.lots.values()},
            holds=[
                {
                    "asset": each.asset_type_id,
                    "amount": each.amount,
                    "captured": each.captured,
                    "deadline": us(each.deadline),
                    "status": each.status.value,
                    "parts": [(self._numbers[part.lot_id], part.amount, us(part.held_at)) for part in each.parts],
                }
                for each in sorted(ledger.holds.values(), key=lambda each: each.seq)
            ],
            status=ledger.account.status.value,
        )

    def history(self, after: int) -> list[Seen]:
        self._number_lots()
        transactions = [each for each, _ in self.ledger.transactions]
        seqs = {each.id: each.seq for each in transactions}
        return [self._row(each, seqs) for each in transactions[after:]]

    def close(self) -> None:
        self.ledger.audit()

    def _moment(self) -> datetime:
        return EPOCH + timedelta(microseconds=self._now)

    def _number_lots(self) -> None:
        """In the order of the transactions that made them, and of their lines."""
        for transaction, _ in self.ledger.transactions:
            for entry in transaction.entries:
                if entry.lot_id is not None:
                    self._numbers.setdefault(entry.lot_id, len(self._numbers))

    def _receipt(self, receipt: AnyReceipt, kind: str) -> Seen:
        at = us(receipt.created_at)
        told = {"posted": True, "replayed": receipt.replayed, "seq": receipt.seq, "at": at, "members": ()}
        if isinstance(receipt, ChangeReceipt):
            return told | {"facts": {}}
        if isinstance(receipt, GroupReceipt):
            members = tuple(self._receipt(each, each.type.value) for each in receipt.members)
            return told | {"facts": {"members": len(members)}, "members": members}
        assert isinstance(receipt, Receipt)
        wanted = FACTS.get(kind, {"requested"} if kind == "spend" else set())
        return told | {
            "type": receipt.type.value,
            "facts": {name: _plain(each) for name, each in receipt.facts.items() if name in wanted},
            "amount": receipt.amount,
            "uses": tuple((self._numbers[each.lot_id], each.amount) for each in receipt.lots),
            "balance": receipt.balance.posted,
            "held": receipt.balance.held,
            "available": receipt.balance.available,
            "balance_after": receipt.balance_after,
        }

    @staticmethod
    def _refusal(error: WalletError) -> Seen:
        return {
            "posted": False,
            "code": error.code,
            "facts": {name: _plain(each) for name, each in error.facts.items()},
            "replayed": getattr(error, "replayed", False),
            "recorded": getattr(error, "transaction_id", None) is not None,
        }

    def _row(self, transaction: TransactionRecord, seqs: Mapping[UUID, int]) -> Seen:
        facts = json.loads(transaction.facts) if transaction.facts else {}
        if "lots" in facts:
            facts["lots"] = [[self._numbers[UUID(lot)], *rest] for lot, *rest in facts["lots"]]
        return {
            "seq": transaction.seq,
            "type": transaction.type.value,
            "posted": transaction.outcome is Outcome.POSTED,
            "asset": transaction.asset_type_id,
            "amount": transaction.amount,
            "created_at": us(transaction.created_at),
            "effective_at": us(transaction.effective_at),
            "parent": seqs.get(transaction.parent_id) if transaction.parent_id else None,
            "facts": facts,
            "lines": [
                (
                    _account(each.account_id),
                    None if each.lot_id is None else self._numbers[each.lot_id],
                    each.amount,
                    each.balance_after,
                )
                for each in transaction.entries
            ],
        }

    @staticmethod
    def _lot(lot: LotRow) -> Seen:
        return {
            "asset": lot.asset_type_id,
            "kind": lot.kind,
            "priority": lot.priority,
            "expires_at": None if lot.expires_at is None else us(lot.expires_at),
            "granted": lot.granted,
            "remaining": lot.remaining,
            "held": lot.held,
            "debt": lot.debt,
            "expired": lot.expired,
            "reversed": lot.reversed,
        }


def _plain(fact: Any) -> Any:
    return us(fact) if isinstance(fact, datetime) else fact


def _account(account_id: int) -> str:
    return "own" if account_id == OWNER_ID else "treasury" if account_id == TREASURY_ID else "breakage"
