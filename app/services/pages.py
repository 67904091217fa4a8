"""Pages of a list: a part of it, and where the next one begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Other = TypeVar("Other")
Position = TypeVar("Position")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[Item, Position]):
    """`next_after` is the position that the next page begins after; None when this is the last one."""

    items: list[Item]
    next_after: Position | None


def page_of(items: Sequence[Item], limit: int, position_of: Callable[[Item], Position]) -> Page[Item, Position]:
    """Return the first `limit` of `items`, of which there is one more at least when another page follows."""
    shown = list(items[:limit])
    return Page(items=shown, next_after=position_of(shown[-1]) if len(items) > limit else None)
