"""Which account id a user has: an immutable fact, kept in memory so that a unit of work need not ask for it."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from app.database import Connection
from app.repositories import account_repo

REMEMBERED_MAX = 100_000


class AccountDirectory:
    """The account ids of users that were met lately, at most `REMEMBERED_MAX` of them. Absence is never remembered."""

    def __init__(self) -> None:
        self._ids = OrderedDict[str, int]()  # a dict takes the longer to find its first, the more were dropped

    async def find(self, connection: Connection, users: Mapping[str, int]) -> dict[str, int]:
        """Return the account ids of those of `users` (external id → bucket) that have an account."""
        found = {user: self._ids[user] for user in users if user in self._ids}
        unknown = [(user, bucket) for user, bucket in users.items() if user not in found]
        if unknown:
            asked = await account_repo.find_ids(connection, unknown)
            self.remember(asked)
            found |= asked
        return found

    def remember(self, ids: Mapping[str, int]) -> None:
        """Remember committed accounts, dropping the oldest beyond the limit."""
        self._ids.update(ids)
        while len(self._ids) > REMEMBERED_MAX:
            self._ids.popitem(last=False)

    def forget(self, users: Iterable[str]) -> None:
        """Drop users whose id turned out to be another."""
        for user in users:
            self._ids.pop(user, None)
