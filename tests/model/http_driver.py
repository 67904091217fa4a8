"""The service over HTTP on a sandbox, as a ledger to be judged: commands become requests, answers are read back.

Nothing of the service's own code is used to write or read them. Requests go out one after the other, in the event loop
of one runner; many runs share the service, each with a user of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Any, ClassVar, Self
from uuid import UUID

import httpx2

from app.domain import commands as ask
from app.domain.placement import bucket_of
from app.domain.records import AssetType
from app.domain.records import TransactionType as Kind
from app.services.ids import new_id
from tests.model.driver import FACTS, SECOND, Seen, State, us

API = "/api/v1"
BUSY = 503
RECORDED = {402, 409}
"""With these an attempt that has a key is written down."""

MEANS_TIME = {"available_at"}
MEANS_AMOUNT = {"available", "held", "required", "shortfall", "free", "uncollected", "balance", "balance_max", "amount"}
OF_EVERY_PROBLEM = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
ACCOUNTS = {1: "treasury", 2: "breakage"}


class HttpSession:
    """A service that is called synchronously, and the asset types that were made in it."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]]) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._opened = opened
        self._users = count(1)
        self.assets: dict[int, Any] = {}
        """What the service says of each, by the model's number."""

    def __enter__(self) -> Self:
        self.client = self.wait(self._stack.enter_async_context(self._opened()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wait(self._stack.__aexit__(kind, error, traceback))
        self._runner.close()

    def wait(self, awaited: Awaitable[Any]) -> Any:
        async def wrapped() -> Any:
            return await awaited

        return self._runner.run(wrapped())

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """Send a request, again while the service is busy; return the status and the body."""
        while True:
            answer = self.wait(self.client.request(method, f"{API}{path}", json=body, params=query))
            if answer.status_code != BUSY:
                return answer.status_code, answer.json()

    def new_user(self) -> str:
        return f"model-{next(self._users)}"

    def make(self, assets: Mapping[int, AssetType]) -> None:
        for number, asset in assets.items():
            names = ("amount_min", "amount_max", "balance_max", "daily_spend_max", "daily_credit_max")
            limits = {name: getattr(asset.limits, name) for name in names}
            body = {
                "asset_code": f"MODEL{number}",
                "name": asset.name,
                "scale": asset.scale,
                "status": asset.status.value,
                "default_expiry_days": asset.default_expiry_days,
                "hold_seconds": asset.hold_seconds,
                "limits": {name: written(each, asset.scale) for name, each in limits.items() if each is not None},
            }
            status, self.assets[number] = self.call("POST", "/asset-types", body)
            assert status == 201, self.assets[number]


class HttpDriver:
    """To be given a session by a subclass."""

    exact = False
    session: ClassVar[HttpSession]

    def start(self, assets: Mapping[int, AssetType], now: int) -> None:  # noqa: ARG002 - this clock can't be set
        if not self.session.assets:
            self.session.make(assets)
        self.assets = self.session.assets
        self._numbers_of = {each["asset_type_id"]: number for number, each in self.assets.items()}
        self.user = self.session.new_user()
        self.bucket = bucket_of(self.user)
        self._path = f"/wallets/users/{self.user}"
        status, account = self.session.call("PUT", self._path, {})
        assert status == 201, account
        self._ids: dict[UUID, str] = {}
        self._headers: list[str] = []
        self._transactions: dict[int, Any] = {}
        self._lots: dict[str, int] = {}
        self.advance(0)

    def fresh_id(self) -> UUID:
        return new_id(self.bucket)

    def now(self) -> int:
        return self._now

    def advance(self, microseconds: int) -> None:
        assert microseconds >= 0
        assert microseconds % SECOND == 0
        status, body = self.session.call("POST", "/sandbox/clock", {"advance_seconds": microseconds // SECOND})
        assert status == 200, body
        self._now = moment(body["now"])

    def run(self, commands: Sequence[ask.Command]) -> list[Seen]:
        if len(commands) == 1:
            results = [self.session.call(*self._request(commands[0]))]
        else:
            operations = [{**self._operation(each), "external_user_id": self.user} for each in commands]
            status, body = self.session.call("POST", "/batch", {"operations": operations})
            assert status == 200, body
            results = [(each.pop("status"), each) for each in body["results"]]
        for command, (status, body) in zip(commands, results, strict=True):
            self._remember(command, status, body)
        self._read_history()
        answers = [self._answer(status, body) for status, body in results]
        self._now = max([self._now, *(each["at"] for each in answers if each["at"] is not None)])
        return answers

    def state(self) -> State:
        status, account = self.session.call("GET", self._path)
        assert status == 200, account
        return State(
            balances={
                self._numbers_of[each["asset_type_id"]]: {
                    name: units(each[name]) for name in ("balance", "held", "available")
                }
                for each in account["wallets"]
            },
            lots={
                self._lots[each["lot_id"]]: {
                    "asset": number,
                    "kind": each["kind"],
                    "priority": each["priority"],
                    "expires_at": moment(each["expires_at"]),
                    "granted": units(each["granted"]),
                    "remaining": units(each["remaining"]),
                    "held": units(each["held"]),
                    "debt": units(each["debt"]),
                }
                for number, asset in self.assets.items()
                for each in self._pages("lots", asset_type_id=asset["asset_type_id"])
            },
            holds=[
                {
                    "asset": self._numbers_of[each["asset_type_id"]],
                    "amount": units(each["amount"]),
                    "captured": units(each["captured"]),
                    "deadline": moment(each["expires_at"]),
                    "status": each["hold_status"],
                }
                for each in sorted(self._pages("holds"), key=lambda each: int(each["seq"]))
            ],
            status=account["status"],
        )

    def history(self, after: int) -> list[Seen]:
        self._read_history()
        seqs = {each["transaction_id"]: seq for seq, each in self._transactions.items()}
        return [self._row(each, seqs) for seq, each in sorted(self._transactions.items()) if seq > after]

    def close(self) -> None:
        """The whole ledger is verified when the service has gone."""

    # -- requests ----------------------------------------------------------------------------------------------------

    def _request(self, command: ask.Command) -> tuple[str, str, Any]:
        body = self._operation(command)
        kind = body.pop("type")
        if isinstance(command, ask.ChangeAccount):
            return "PATCH", self._path, body
        if isinstance(command, ask.OnHold):
            return "POST", f"{self._path}/holds/{body.pop('hold_id')}/{kind}", body
        if isinstance(command, ask.Refund | ask.Reversal):
            called = "refund" if kind == "refund" else "reverse"
            return "POST", f"{self._path}/transactions/{body.pop('transaction_id')}/{called}", body
        names = {"top_up": "top-up", "hold": "holds", "adjustment": "adjustments", "group": "groups"}
        return "POST", f"{self._path}/{names.get(kind, kind)}", body

    def _operation(self, command: ask.Command) -> dict[str, Any]:
        """Return a command as an operation of a batch has it."""
        body: dict[str, Any] = {"type": command.type.value}
        if command.idempotency_key is not None:
            body["idempotency_key"] = command.idempotency_key
        if isinstance(command, ask.Group):
            body["operations"] = [self._operation(each) for each in command.members]
        if isinstance(command, ask.ChangeAccount | ask.Adjustment):
            body |= {"reason": "it is a test", "operator": "the machine"}
        if isinstance(command, ask.ChangeAccount):
            return body | self._changes(command)
        if isinstance(command, ask.Operation):
            body |= self._fields(command)
        return body

    def _fields(self, op: ask.Operation) -> dict[str, Any]:
        asset, body = self.assets[op.asset_type_id], {}
        if op.amount is not None:
            body["amount"] = written(op.amount, asset["scale"])
        if isinstance(op, ask.OnHold):
            body["hold_id"] = self._ids.get(op.hold_id, str(op.hold_id))
        elif isinstance(op, ask.Refund | ask.Reversal):
            body["transaction_id"] = self._ids.get(op.parent_id, str(op.parent_id))
        else:
            body["asset_type_id"] = asset["asset_type_id"]
        for name in ("expires_in_days", "never_expires", "priority", "expires_in_seconds", "final", "kind"):
            if (value := getattr(op, name, None)) is not None:
                body[name] = value
        for name in ("on_shortfall", "on_excess"):
            if hasattr(op, name):
                body[name] = getattr(op, name).value
        if isinstance(op, ask.Credit) and op.expires_at is not None:
            body["expires_at"] = op.expires_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return body

    def _changes(self, change: ask.ChangeAccount) -> dict[str, Any]:
        body: dict[str, Any] = {} if change.status is None else {"status": change.status.value}
        for number, limits in change.limits.items():
            asset = self.assets[number]
            told = {name: None if each is None else written(each, asset["scale"]) for name, each in limits.items()}
            body.setdefault("limits", {})[asset["asset_code"]] = told
        return body

    # -- answers -----------------------------------------------------------------------------------------------------

    def _remember(self, command: ask.Command, status: int, body: Any) -> None:
        """Keep the ids that the service gave, for what names them later."""
        identifier = body.get("transaction_id")
        if identifier is None or body.get("replayed") or (status >= 400 and status not in RECORDED):
            return
        self._ids[command.transaction_id] = identifier
        if isinstance(command, ask.Group):
            self._headers.append(identifier)
            for member, result in zip(command.members, body.get("results", ()), strict=status == 200):
                self._ids[member.transaction_id] = result["transaction_id"]

    def _answer(self, status: int, body: Any) -> Seen:
        if status >= 400:
            assert status < 500, body
            told = {name: fact for name, fact in body.items() if name not in OF_EVERY_PROBLEM}
            recorded = status in RECORDED and "transaction_id" in body
            return {
                "at": self._booked_at(body["transaction_id"]) if recorded else None,
                "posted": False,
                "code": body["code"],
                "facts": {name: read(name, fact) for name, fact in told.items()},
                "replayed": body.get("replayed", False),
                "recorded": recorded,
            }
        answer: dict[str, Any] = {"posted": True, "type": body["type"], "members": (), "facts": {}}
        answer |= {"replayed": body["replayed"], "seq": body["seq"], "at": moment(body["created_at"])}
        if body["type"] == Kind.ACCOUNT_CHANGE.value:
            return answer
        if body["type"] == Kind.GROUP.value:
            members = tuple(self._answer(200, each) for each in body["results"])
            return answer | {"members": members, "facts": {"members": len(members)}}
        facts = {name: body[name] for name in FACTS.get(body["type"], set()) if name in body}
        facts = {name: each if name == "hold_status" else units(each) for name, each in facts.items()}
        if "deadline" in FACTS.get(body["type"], set()):
            facts["deadline"] = moment(body["expires_at"])
        if "requested" in body and body["requested"] != body["amount"]:
            facts["requested"] = units(body["requested"])
        return answer | {
            "facts": facts,
            "amount": units(body["amount"]),
            "uses": tuple((self._lots[each["lot_id"]], units(each["amount"])) for each in body["lots"]),
            "balance": units(body["new_balance"]),
            "held": units(body["held"]),
            "available": units(body["available"]),
            "balance_after": units(body["balance_after"]),
        }

    # -- history -----------------------------------------------------------------------------------------------------

    def _pages(self, name: str, **query: Any) -> list[Any]:
        status, page = self.session.call("GET", f"{self._path}/{name}", **query, limit=200)
        assert status == 200, page
        assert not page["has_more"], "a run is longer than a page"
        return list(page["data"])

    def _read_history(self) -> None:
        """Read what is new in full, and number the lots of it."""
        known = {each["transaction_id"] for each in self._transactions.values()}
        listed = [each["transaction_id"] for each in self._pages("transactions", outcome="any")]
        for identifier in {*listed, *self._headers} - known:
            status, body = self.session.call("GET", f"/transactions/{identifier}")
            assert status == 200, body
            self._transactions[body["seq"]] = body
        for _, transaction in sorted(self._transactions.items()):
            for entry in transaction["entries"]:
                if entry["lot_id"] is not None:
                    self._lots.setdefault(entry["lot_id"], len(self._lots))

    def _booked_at(self, identifier: str) -> int:
        (found,) = (each for each in self._transactions.values() if each["transaction_id"] == identifier)
        return moment(found["created_at"])

    def _row(self, transaction: Any, seqs: Mapping[str, int]) -> Seen:
        return {
            "seq": transaction["seq"],
            "type": transaction["type"],
            "posted": transaction["outcome"] == "posted",
            "asset": self._numbers_of.get(transaction["asset_type_id"]),
            "amount": None if transaction["amount"] is None else units(transaction["amount"]),
            "effective_at": moment(transaction["effective_at"]),
            "parent": seqs.get(transaction["parent_id"]),
            "lines": [
                (
                    ACCOUNTS.get(each["account_id"], "own"),
                    None if each["lot_id"] is None else self._lots[each["lot_id"]],
                    units(each["amount"]),
                    None if each["balance_after"] is None else units(each["balance_after"]),
                )
                for each in transaction["entries"]
            ],
        }


def written(amount: int, scale: int) -> str:
    whole, rest = divmod(abs(amount), 10**scale)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:0{scale}}" if scale else f"{sign}{whole}"


def units(text: str) -> int:
    """Read an amount that has exactly its asset's scale."""
    return int(text.replace(".", ""))


def moment(text: str | None) -> int:
    """Read a time as microseconds; None, which is no time, stays what it is."""
    return None if text is None else us(datetime.fromisoformat(text))  # type: ignore[return-value]


def read(name: str, fact: Any) -> Any:
    """Read a fact of a problem."""
    if fact is None:
        return None
    if name in MEANS_TIME:
        return moment(fact)
    return units(fact) if name in MEANS_AMOUNT else fact
