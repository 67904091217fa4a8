"""The four calls the service started from, as the two curl examples make them."""

import httpx2

ALICE = "/api/v1/wallets/users/user_alice"


async def test_top_up_then_spend_moves_the_balance(client: httpx2.AsyncClient) -> None:
    before = (await client.get(f"{ALICE}/balance", params={"asset_type_id": 1})).json()
    topped = await client.post(f"{ALICE}/top-up", json={"amount": "50.00", "asset_type_id": 1})
    assert topped.status_code == 200
    spent = await client.post(f"{ALICE}/spend", json={"amount": "30.00", "asset_type_id": 1})
    assert spent.status_code == 200
    after = (await client.get(f"{ALICE}/balance", params={"asset_type_id": 1})).json()
    assert (before["balance"], topped.json()["new_balance"], spent.json()["new_balance"], after["balance"]) == (
        "1050.00",
        "1100.00",
        "1070.00",
        "1070.00",
    )
