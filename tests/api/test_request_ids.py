"""The id of a request: the caller's own where it is fit to be kept, else a new one; it comes back with every answer."""

import httpx2
import pytest

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing


@pytest.mark.parametrize("given", ["a", "a" * 128, "A-z_0.9:x"])
async def test_a_request_id_is_taken_and_returned(service: Service, given: str) -> None:
    answer = await service.client.get(f"{USERS}/user_alice/balance?asset_type_id=1", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a" * 129, id="too-long"),
        pytest.param(b"a b", id="blank"),
        pytest.param(b"a\tb", id="tab"),
        pytest.param(b'a"b', id="quote"),
        pytest.param("ä".encode(), id="not-ascii"),
        pytest.param(b"<script>", id="markup"),
    ],
)
async def test_a_request_id_is_made_where_none_fit_to_be_kept_is_given(service: Service, given: bytes | None) -> None:
    headers = httpx2.Headers([] if given is None else [(b"X-Request-Id", given)])
    answers = [await service.client.get("/api/v1/nowhere", headers=headers) for _ in range(2)]
    made = [assert_problem(each, 404)["request_id"] for each in answers]
    assert all(len(each) == 32 and each.isalnum() for each in made)
    assert made[0] != made[1]
