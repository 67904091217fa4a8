"""A user as an app sees one: what it calls, and what it is answered."""

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import httpx2

from app.domain.placement import bucket_of
from tests.api.conftest import USERS
from tests.api.shapes import assert_problem

GOLD = {"asset_type_id": 1}
BY_HAND = {"reason": "for a test", "operator": "olga"}
OF_AN_ASSET = {"top-up", "bonus", "spend", "holds", "adjustments"}
Body = dict[str, Any]


@dataclass(frozen=True)
class User:
    """One user of a service. Amounts are gold where nothing else is said."""

    client: httpx2.AsyncClient
    name: str

    @property
    def path(self) -> str:
        return f"{USERS}/{self.name}"

    async def post(self, call: str, **body: Any) -> httpx2.Response:
        """Make a call."""
        defaults: Body = GOLD if call in OF_AN_ASSET and "asset_code" not in body else {}
        if call == "adjustments":
            defaults = defaults | BY_HAND
        return await self.client.post(f"{self.path}/{call}", json=defaults | body)

    async def done(self, call: str, **body: Any) -> Body:
        """Make a call that goes through, and return its answer."""
        answer = await self.post(call, **body)
        assert answer.status_code == (201 if call == "holds" else 200), answer.text
        members: Body = answer.json()
        return members

    async def refused(self, call: str, status: int, code: str, /, *, facts: Body | None = None, **body: Any) -> Body:
        """Make a call that is refused, and return its problem."""
        return assert_problem(await self.post(call, **body), status, code, **(facts or {}))

    async def change(self, **body: Any) -> httpx2.Response:
        """Change the account."""
        return await self.client.patch(self.path, json=BY_HAND | body)

    async def get(self, call: str, **query: Any) -> Any:
        answer = await self.client.get(f"{self.path}/{call}".removesuffix("/"), params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hold(self, amount: str, **body: Any) -> str:
        """Set credits aside, and return the hold's id."""
        return str((await self.done("holds", amount=amount, **body))["hold_id"])

    async def has(self) -> tuple[str, str, str]:
        """Return what there is, what of it is held, and what is available."""
        balance = await self.get("balance", **GOLD)
        return balance["balance"], balance["held"], balance["available"]

    async def lots(self) -> dict[str, tuple[str, str]]:
        """Return what is left and what is held of each open lot."""
        return {each["lot_id"]: (each["remaining"], each["held"]) for each in (await self.get("lots", **GOLD))["data"]}

    async def booked(self, **query: Any) -> list[Body]:
        """Return the user's transactions, the oldest first."""
        listed: list[Body] = (await self.get("transactions", **query))["data"]
        return listed[::-1]


async def open_user(client: httpx2.AsyncClient, name: str, *amounts: str) -> User:
    """Open an account with a lot of so much gold each."""
    user = User(client, name)
    assert (await client.put(user.path)).status_code == 201
    for amount in amounts:
        await user.done("top-up", amount=amount)
    return user


def neighbour_of(name: str) -> str:
    """Return another name whose rows live in the same bucket."""
    return next(other for number in count() if bucket_of(other := f"{name}-{number}") == bucket_of(name))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
