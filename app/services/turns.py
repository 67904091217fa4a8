"""Long work in turns: a large batch must not hold up whoever else this process serves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

ITEMS_IN_A_ROW = 100


async def in_turns(items: Sequence[Item]) -> AsyncIterator[Sequence[Item]]:
    """Yield `items`, some at a time, and let everybody else have a turn in between."""
    for start in range(0, len(items), ITEMS_IN_A_ROW):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + ITEMS_IN_A_ROW]
