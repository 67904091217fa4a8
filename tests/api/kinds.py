"""One call of every kind that writes, on a user who has 100.00 gold in one lot, with what must be there before it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.api.users import BY_HAND, GOLD, Body, User


@dataclass(frozen=True)
class Call:
    """A call of a kind: alone, or as an operation of a batch or group."""

    type: str
    path: str
    body: Body
    target: Body = field(default_factory=dict)

    async def send(self, user: User, **more: Any) -> httpx2.Response:
        method = "PATCH" if self.type == "account_change" else "POST"
        return await user.client.request(method, f"{user.path}/{self.path}".removesuffix("/"), json=self.body | more)

    @property
    def operation(self) -> Body:
        """Return it as an operation of a batch; of a group too, but for a group itself."""
        return {"type": self.type, **self.target, **self.body}


async def _on_hold(user: User, type_: str, body: Body) -> Call:
    hold = await user.hold("20.00")
    return Call(type_, f"holds/{hold}/{type_}", body, {"hold_id": hold})


async def _top_up(_: User) -> Call:
    return Call("top_up", "top-up", {"amount": "7.00", **GOLD})


async def _bonus(_: User) -> Call:
    return Call("bonus", "bonus", {"amount": "7.00", "expires_in_days": 30, **GOLD})


async def _spend(_: User) -> Call:
    return Call("spend", "spend", {"amount": "7.00", **GOLD})


async def _partial_spend(_: User) -> Call:
    return Call("spend", "spend", {"amount": "900.00", "on_shortfall": "partial", **GOLD})


async def _hold(_: User) -> Call:
    return Call("hold", "holds", {"amount": "7.00", "expires_in_seconds": 900, **GOLD})


async def _capture(user: User) -> Call:
    return await _on_hold(user, "capture", {"amount": "7.00"})


async def _capture_all(user: User) -> Call:
    return await _on_hold(user, "capture", {})


async def _capture_more(user: User) -> Call:
    return await _on_hold(user, "capture", {"amount": "27.00", "on_excess": "from_available"})


async def _release(user: User) -> Call:
    return await _on_hold(user, "release", {})


async def _extend(user: User) -> Call:
    return await _on_hold(user, "extend", {"amount": "7.00", "expires_in_seconds": 900})


async def _refund(user: User) -> Call:
    spent = (await user.done("spend", amount="20.00"))["transaction_id"]
    return Call("refund", f"transactions/{spent}/refund", {"amount": "7.00"}, {"transaction_id": spent})


async def _reversal(user: User) -> Call:
    given = (await user.done("bonus", amount="7.00", priority=100))["transaction_id"]
    return Call("reversal", f"transactions/{given}/reverse", {}, {"transaction_id": given})


async def _partial_reversal(user: User) -> Call:
    given = (await user.done("bonus", amount="7.00", priority=0))["transaction_id"]
    await user.done("spend", amount="3.00")
    return Call("reversal", f"transactions/{given}/reverse", {"on_shortfall": "partial"}, {"transaction_id": given})


async def _adjustment(_: User) -> Call:
    return Call("adjustment", "adjustments", {"amount": "7.00", **GOLD, **BY_HAND})


async def _adjustment_downwards(_: User) -> Call:
    return Call("adjustment", "adjustments", {"amount": "-7.00", **GOLD, **BY_HAND})


async def _group(_: User) -> Call:
    spend = {"type": "spend", "amount": "7.00", **GOLD}
    bonus = {"type": "bonus", "amount": "3.00", "asset_code": "DMND"}
    return Call("group", "groups", {"operations": [spend, bonus]})


async def _account_change(_: User) -> Call:
    return Call("account_change", "", {"limits": {"GOLD": {"balance_max": "5000.00"}}, **BY_HAND})


KINDS: dict[str, Callable[[User], Awaitable[Call]]] = {
    "top-up": _top_up,
    "bonus": _bonus,
    "spend": _spend,
    "partial spend": _partial_spend,
    "hold": _hold,
    "capture": _capture,
    "capture of all": _capture_all,
    "capture of more": _capture_more,
    "release": _release,
    "extend": _extend,
    "refund": _refund,
    "reversal": _reversal,
    "partial reversal": _partial_reversal,
    "adjustment": _adjustment,
    "adjustment downwards": _adjustment_downwards,
    "group": _group,
    "account change": _account_change,
}
