"""Long work in turns: a large batch must not hold up whoever else this process serves."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

ITEMS_IN_A_ROW = 100


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield `items`, and let everybody else have a turn now and then."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % ITEMS_IN_A_ROW == 0:
            await asyncio.sleep(0)
