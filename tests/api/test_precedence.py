"""Which error is answered when a request is wrong in two ways: the table of docs/errors.md, pair by pair."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import httpx2
import pytest

from app.api.ledger_request import BODY_BYTES_MAX
from app.domain.amounts import UNITS_MAX, format_amount
from app.services.lanes import QUEUE_MAX
from tests.api.conftest import USERS, Service, services_of, sharing
from tests.api.error_document import documented
from tests.api.shapes import assert_problem

pytestmark = sharing

CREDIT, SPEND = frozenset({"bonus"}), frozenset({"spend"})
EITHER = CREDIT | SPEND
BEFORE_THE_FORM, THE_KEY = 4, 7


@dataclass
class Draft:
    """A request that would go through, until something is made wrong with it. The user has 10.00 of the asset type."""

    service: Service
    user: str
    asset: int
    call: str
    path_user: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: dict[str, Any] = field(default_factory=dict)
    ending: str = ""
    content: Callable[[str], str] = str
    room: int = QUEUE_MAX

    async def send(self) -> httpx2.Response:
        with self._room_limited():
            return await self.service.client.request(
                self.method,
                f"{USERS}/{self.path_user}/{self.call}{self.ending}",
                content=self.content(json.dumps(self.body)),
                headers=self.headers,
            )

    @contextmanager
    def _room_limited(self) -> Iterator[None]:
        queue = services_of(self.service.client).wallets._lanes._queue
        queue._queue_max = self.room
        try:
            yield
        finally:
            queue._queue_max = QUEUE_MAX

    async def write(self, call: str, amount: str, **more: object) -> None:
        """Let something be booked on the user's wallet beforehand."""
        body = {"amount": amount, "asset_type_id": self.asset} | more
        answer = await self.service.client.post(f"{USERS}/{self.user}/{call}", json=body)
        assert answer.status_code == 200


async def draft(service: Service, call: str, *, own_asset: bool = False) -> Draft:
    user, asset = await service.user(), await service.asset() if own_asset else 1
    made = Draft(service, user, asset, call, path_user=user)
    await made.write("top-up", "10.00")
    made.body = {"amount": "6.00", "asset_type_id": asset}
    return made


@dataclass(frozen=True)
class Wrong:
    """A way to make a request wrong. Two that touch the same thing can't be combined."""

    step: int
    code: str
    touches: frozenset[str]
    make: Callable[[Draft], Awaitable[None]]
    calls: frozenset[str] = EITHER

    @property
    def status(self) -> int:
        return 200 if self.code == "replay" else documented()[self.code].status


WRONGS: list[Wrong] = []


def wrong(step: int, code: str, *touches: str, calls: frozenset[str] = EITHER) -> Callable[..., None]:
    def add(make: Callable[[Draft], Awaitable[None]]) -> None:
        WRONGS.append(Wrong(step, code, frozenset(touches), make, calls))

    return add


@wrong(1, "not_found", "route")
async def _(draft: Draft) -> None:
    draft.ending = "-please"


@wrong(1, "method_not_allowed", "route")
async def _(draft: Draft) -> None:
    draft.method = "DELETE"


@wrong(2, "unauthorized", "caller")
async def _(draft: Draft) -> None:
    draft.headers["X-Forwarded-For"] = "203.0.113.7"


@wrong(3, "busy", "room")
async def _(draft: Draft) -> None:
    draft.room = 0


@wrong(4, "content_too_large", "content")
async def _(draft: Draft) -> None:
    draft.content = lambda text: text + " " * BODY_BYTES_MAX


@wrong(4, "body_not_json", "content")
async def _(draft: Draft) -> None:
    draft.content = lambda text: text[:-1]


@wrong(5, "validation_failed", "member")
async def _(draft: Draft) -> None:
    draft.body["unknown"] = 1


@wrong(5, "validation_failed", "user")
async def _(draft: Draft) -> None:
    draft.path_user = "x" * 256


@wrong(6, "asset_ambiguous", "asset")
async def _(draft: Draft) -> None:
    draft.body["asset_code"] = "GOLD" if draft.asset == 1 else f"A{draft.asset}"


@wrong(6, "unknown_asset_type", "asset")
async def _(draft: Draft) -> None:
    draft.body["asset_type_id"] = 77


@wrong(6, "field_invalid", "header")
async def _(draft: Draft) -> None:
    draft.headers["Idempotency-Key"] = "k" * 256


@wrong(6, "idempotency_keys_differ", "header")
async def _(draft: Draft) -> None:
    draft.headers["Idempotency-Key"] = "other"
    draft.body.setdefault("idempotency_key", "k")


@wrong(6, "amount_too_precise", "amount")
async def _(draft: Draft) -> None:
    draft.body["amount"] = "6.001"


@wrong(7, "replay", "key", "terms")
async def _(draft: Draft) -> None:
    await draft.write(draft.call, "6.00", idempotency_key="k")
    draft.body["idempotency_key"] = "k"


@wrong(7, "idempotency_mismatch", "key")
async def _(draft: Draft) -> None:
    await draft.write(draft.call, "1.00", idempotency_key="k")
    draft.body["idempotency_key"] = "k"


@wrong(8, "unknown_user", "user", "key", "status", "wallet")
async def _(draft: Draft) -> None:
    draft.path_user = "nobody"


@wrong(9, "expiry_invalid", "terms", calls=CREDIT)
async def _(draft: Draft) -> None:
    draft.body["expires_at"] = "2001-01-01T00:00:00Z"


@wrong(10, "account_quarantined", "status")
async def _(draft: Draft) -> None:
    await draft.service.set_status(draft.user, "quarantined")


@wrong(10, "account_closed", "status", "full wallet")
async def _(draft: Draft) -> None:
    await draft.service.set_status(draft.user, "closed")


@wrong(10, "account_frozen", "status")
async def _(draft: Draft) -> None:
    await draft.service.set_status(draft.user, "frozen")


@wrong(11, "amount_below_minimum", "policy: bounds")
async def _(draft: Draft) -> None:
    await draft.service.sql("UPDATE asset_types SET amount_min = 601 WHERE id = :id", id=draft.asset)


@wrong(11, "amount_above_maximum", "policy: bounds")
async def _(draft: Draft) -> None:
    await draft.service.sql("UPDATE asset_types SET amount_max = 599 WHERE id = :id", id=draft.asset)


@wrong(12, "asset_type_inactive", "policy: status", calls=CREDIT)
async def _(draft: Draft) -> None:
    await draft.service.sql("UPDATE asset_types SET status = 'inactive' WHERE id = :id", id=draft.asset)


@wrong(14, "balance_limit_exceeded", "wallet", "full wallet", calls=CREDIT)
async def _(draft: Draft) -> None:
    balance = int((await draft.service.balance(draft.user, draft.asset)).replace(".", ""))
    await draft.write("top-up", format_amount(UNITS_MAX - balance, 2))


@wrong(14, "daily_limit_exceeded", "policy: day")
async def _(draft: Draft) -> None:
    statement = "UPDATE asset_types SET daily_spend_max = 599, daily_credit_max = 599 WHERE id = :id"
    await draft.service.sql(statement, id=draft.asset)


@wrong(15, "insufficient_funds", "wallet", calls=SPEND)
async def _(draft: Draft) -> None:
    await draft.write("spend", await draft.service.balance(draft.user, draft.asset))


def _first_made(each: Wrong) -> int:
    """Order the making: what books (a key, a full or empty wallet) before what forbids it."""
    return 0 if "key" in each.touches else 1 if "wallet" in each.touches else 2


async def _assert_answered(wrongs: tuple[Wrong, ...], service: Service, call: str) -> None:
    """Check that a request that is wrong in these ways is answered with the first of them, and books nothing."""
    request = await draft(
        service, call, own_asset=any(touched.startswith("policy") for each in wrongs for touched in each.touches)
    )
    for each in sorted(wrongs, key=_first_made):
        await each.make(request)
    booked = await service.sql("SELECT count(*) FROM ledger_entries")
    answer = await request.send()
    if wrongs[0].code == "replay":
        assert (answer.status_code, answer.json()["replayed"]) == (200, True)
    else:
        assert_problem(answer, wrongs[0].status, wrongs[0].code)
    assert await service.sql("SELECT count(*) FROM ledger_entries") == booked


async def test_a_draft_with_nothing_wrong_goes_through(service: Service) -> None:
    for call in sorted(EITHER):
        assert (await (await draft(service, call)).send()).status_code == 200


@pytest.mark.parametrize(
    ("each", "call"),
    [pytest.param(each, call, id=f"{each.code}-{call}") for each in WRONGS for call in sorted(each.calls)],
)
async def test_each_wrong_by_itself_is_answered_with_its_code(service: Service, each: Wrong, call: str) -> None:
    await _assert_answered((each,), service, call)


def _are_tried(first: Wrong, second: Wrong) -> bool:
    """Tell whether two can be combined. What is wrong before the form is not tried with all that comes after a key."""
    return (
        first.step < second.step
        and not first.touches & second.touches
        and bool(first.calls & second.calls)
        and (first.step > BEFORE_THE_FORM or second.step <= THE_KEY)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(first, second, id=f"{first.code}-before-{second.code}")
        for first, second in combinations(WRONGS, 2)
        if _are_tried(first, second)
    ],
)
async def test_of_two_wrongs_the_one_of_the_earlier_step_is_answered(
    service: Service, first: Wrong, second: Wrong
) -> None:
    await _assert_answered((first, second), service, max(first.calls & second.calls))


async def test_the_steps_of_this_table_are_those_of_the_document() -> None:
    for each in WRONGS:
        assert each.code == "replay" or documented()[each.code].step == each.step, each.code
