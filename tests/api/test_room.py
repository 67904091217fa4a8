"""A request keeps room for its commands while it is read, and gives it up however it ends."""

import json
from typing import Any

import pytest

from app.api.ledger_request import LedgerRequest
from app.schemas.requests import BATCH_MAX
from tests.api.conftest import Service, services_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}
SPEND = {"type": "spend", "external_user_id": "a", "amount": "1", "asset_type_id": 1}


def announced(service: Service) -> int:
    return services_of(service.client).wallets._lanes._queue.announced


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param([SPEND] * 20, id="good"),
        pytest.param([{}] * 50, id="wrong operations"),
        pytest.param([SPEND] * 1_001, id="too many"),
        pytest.param("no list" * 50, id="wrong body"),
    ],
)
async def test_room_is_given_up_at_the_end(service: Service, operations: object) -> None:
    await service.client.post("/api/v1/batch", json={"operations": operations})
    assert announced(service) == 0


async def test_a_batch_keeps_room_for_its_operations_while_it_is_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    execute_all = LedgerRequest.execute_all

    async def noted(request: LedgerRequest, commands: Any) -> Any:
        seen.append(announced(service))
        return await execute_all(request, commands)

    monkeypatch.setattr(LedgerRequest, "execute_all", noted)
    for padding in (0, 2**20):
        content = json.dumps({"operations": [SPEND] * 100}).encode() + b" " * padding
        answer = await service.client.post("/api/v1/batch", content=content, headers=JSON)
        assert answer.status_code == 200
    assert 0.5 * 100 < seen[0] < 2 * 100
    assert seen[1] == BATCH_MAX  # however long it is, it can't have more
    assert announced(service) == 0
