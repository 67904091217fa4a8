"""What was done: a user's history, what became of a key, and single transactions with all that belongs to them."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from app.schemas.fields import rfc3339
from tests.api.conftest import USERS, Service, alone, sharing
from tests.api.pages import joined
from tests.api.shapes import assert_problem
from tests.api.written_rows import FUTURE, PAST, Written, us, written

pytestmark = sharing

TRANSACTIONS = "/api/v1/transactions"
NOBODYS = "0198c0de-0000-7000-8000-000000000000"


async def post(service: Service, user: str, call: str, amount: object, **more: Any) -> dict[str, Any]:
    body = {"amount": amount, "asset_type_id": 1} | more
    answer: dict[str, Any] = (await service.client.post(f"{USERS}/{user}/{call}", json=body)).json()
    return answer


async def history(service: Service, user: str, **query: Any) -> list[dict[str, Any]]:
    return await joined(service.client, f"{USERS}/{user}/transactions", **query)


def seqs(listed: list[dict[str, Any]]) -> list[int]:
    return [each["seq"] for each in listed]


@pytest.fixture
async def rows(empty_url: str) -> AsyncIterator[Written]:
    async with written(empty_url) as rows:
        yield rows


# -- the list ------------------------------------------------------------------------------------------------------


async def test_a_history_is_listed_newest_first_and_in_pages(service: Service) -> None:
    user = await service.user()
    for number in range(1, 8):
        await post(service, user, "top-up", number)
    for limit in (1, 2, 3, 6, 7, 200):
        assert seqs(await history(service, user, limit=limit)) == [7, 6, 5, 4, 3, 2, 1]
    assert await history(service, await service.user()) == []
    assert_problem(await service.client.get(f"{USERS}/nobody/transactions"), 404, "unknown_user")


async def test_what_is_booked_between_two_pages_moves_no_other(service: Service) -> None:
    user = await service.user()
    for _ in range(4):
        await post(service, user, "top-up", 1)
    first = (await service.client.get(f"{USERS}/{user}/transactions", params={"limit": 2})).json()
    await post(service, user, "spend", 1)
    rest = await history(service, user, limit=2, cursor=first["next_cursor"])
    assert seqs([*first["data"], *rest]) == [4, 3, 2, 1]


async def test_a_listed_transaction_has_these_members(service: Service) -> None:
    user = await service.user("10.00")
    notes = {"idempotency_key": "k", "reference": "order 2", "metadata": {"b": 1, "a": "é", "c": True}}
    booked = await post(service, user, "spend", "2.50", **notes)
    listed, _ = await history(service, user)
    assert listed == {
        "transaction_id": booked["transaction_id"],
        "type": "spend",
        "outcome": "posted",
        "seq": 2,
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "amount": "2.50",
        "balance_after": "7.50",
        "created_at": booked["created_at"],
        "effective_at": booked["created_at"],
        "parent_id": None,
        "group_id": None,
        "operator": None,
        "reason": None,
        "actor": "local",
        "code": None,
        "facts": None,
        **notes,
    }


async def test_every_row_says_what_the_balance_was_after_it(service: Service) -> None:
    user = await service.user()
    await post(service, user, "spend", 1, idempotency_key="too early")
    balances = ["0.00"]
    for call, amount, asset in [("top-up", 5, 1), ("bonus", 7, 2), ("spend", 2, 1), ("top-up", 1, 1), ("spend", 7, 2)]:
        balances.append((await post(service, user, call, amount, asset_type_id=asset))["balance_after"])
    listed = await history(service, user, outcome="any", limit=2)
    assert [each["balance_after"] for each in listed] == balances[::-1]


async def test_a_refusal_is_listed_only_when_asked_for_and_says_why(service: Service) -> None:
    user = await service.user("1.00")
    refused = await post(service, user, "spend", "2.50", idempotency_key="k", reference="order 3")
    assert refused["status"] == 402
    assert seqs(await history(service, user)) == [1]
    assert seqs(await history(service, user, outcome="posted")) == [1]
    assert seqs(await history(service, user, outcome="any")) == [2, 1]
    (listed,) = await history(service, user, outcome="refused")
    facts = {"asset_type_id": 1, "available": "1.00", "held": "0.00", "required": "2.50", "shortfall": "1.50"}
    assert (listed["transaction_id"], listed["outcome"], listed["code"]) == (
        refused["transaction_id"],
        "refused",
        "insufficient_funds",
    )
    assert listed["facts"] == facts == {name: refused[name] for name in facts}
    assert (listed["amount"], listed["balance_after"], listed["reference"]) == ("2.50", "1.00", "order 3")


async def test_a_history_is_narrowed_down_by_type_and_asset_and_reference(service: Service) -> None:
    user = await service.user()
    await post(service, user, "top-up", 5, reference="a")
    await post(service, user, "bonus", 5, asset_type_id=2, reference="b")
    await post(service, user, "spend", 1, reference="a")
    await post(service, user, "bonus", 5, reference="")
    await post(service, user, "spend", 99, reference="a", idempotency_key="k")
    await post(service, await service.user("1.00"), "spend", 1, reference="a")
    for query, expected in (
        ({"type": "bonus"}, [4, 2]),
        ({"type": "bonus", "asset_code": "DMND"}, [2]),
        ({"type": "refund"}, []),
        ({"asset_type_id": 1}, [4, 3, 1]),
        ({"asset_type_id": 3}, []),
        ({"reference": "a"}, [3, 1]),
        ({"reference": "a", "type": "spend"}, [3]),
        ({"reference": "a", "outcome": "any"}, [5, 3, 1]),
        ({"reference": "a", "asset_type_id": 2}, []),
        ({"reference": ""}, [4]),
        ({"reference": "A"}, []),
    ):
        for limit in (1, 2, 50):
            assert seqs(await history(service, user, limit=limit, **query)) == expected, query


async def test_a_history_is_narrowed_down_to_a_time(service: Service) -> None:
    user = await service.user()
    times = [(await post(service, user, "top-up", 1))["created_at"] for _ in range(9)]
    moments = [datetime.fromisoformat(each) for each in times]
    assert sorted(set(moments)) == moments
    tick = timedelta(microseconds=1)
    edges = [moments[0] - tick, moments[0], moments[3], moments[3] + tick, moments[8], moments[8] + tick]
    for since in (None, *edges):
        for before in (None, *edges):
            query = {"from": since, "to": before}
            given = {name: rfc3339(each) for name, each in query.items() if each is not None}
            expected = [
                number
                for number, moment in enumerate(moments, start=1)
                if (since is None or since <= moment) and (before is None or moment < before)
            ]
            assert seqs(await history(service, user, limit=4, **given)) == expected[::-1]
    assert await history(service, await service.user(), **{"from": times[0]}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "steal"),
        ("outcome", "maybe"),
        ("from", "yesterday"),
        ("from", "2026-01-01"),
        ("to", "2026-01-01T00:00:00"),
        ("to", "2026-02-30T00:00:00Z"),
        ("asset_type_id", "GOLD"),
        ("asset_code", "gold"),
        ("group_id", "x"),
        ("group_id", NOBODYS.replace("-", "")),
        ("reference", "r" * 256),
        ("reference", "a\x00b"),
    ],
)
async def test_a_filter_that_can_be_none_is_refused_by_name(service: Service, name: str, value: str) -> None:
    answer = await service.client.get(f"{USERS}/user_alice/transactions", params={name: value})
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == [name]


async def test_a_filter_names_an_asset_in_one_way_and_one_that_exists(service: Service) -> None:
    path = f"{USERS}/user_alice/transactions"
    answer = await service.client.get(path, params={"asset_type_id": 1, "asset_code": "GOLD"})
    assert_problem(answer, 422, "asset_ambiguous")
    assert_problem(await service.client.get(path, params={"asset_code": "NONE"}), 404, "unknown_asset_type")


async def test_a_group_that_is_none_has_no_members(service: Service) -> None:
    assert await history(service, "user_alice", group_id=NOBODYS) == []


# -- what became of a key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["k", "a/b", "/", "//a//", "..", "a?b#c", "100%", "a%2Fb", " k ", 'a"b', "clé №1", "😀"]
)
async def test_a_key_leads_to_what_became_of_it(service: Service, key: str) -> None:
    user = await service.user("10.00")
    path = f"{USERS}/{user}/transactions/by-key/{quote(key, safe='').replace('.', '%2E')}"
    assert_problem(await service.client.get(path), 404, "unknown_transaction", idempotency_key=key)
    booked = await post(service, user, "spend", 4, idempotency_key=key)
    found = (await service.client.get(path)).json()
    assert (found["transaction_id"], found["idempotency_key"]) == (booked["transaction_id"], key)
    assert found == (await history(service, user))[0]


async def test_so_does_a_key_of_what_was_refused(service: Service) -> None:
    user = await service.user("10.00")
    await post(service, user, "spend", 40, idempotency_key="k")
    found = (await service.client.get(f"{USERS}/{user}/transactions/by-key/k")).json()
    assert (found["outcome"], found["code"]) == ("refused", "insufficient_funds")
    assert [found] == await history(service, user, outcome="refused")


async def test_a_key_is_its_users_own(service: Service) -> None:
    user = await service.user()
    await post(service, user, "top-up", 1, idempotency_key="k")
    other = await service.user()
    answer = await service.client.get(f"{USERS}/{other}/transactions/by-key/k")
    assert_problem(answer, 404, "unknown_transaction")
    assert_problem(await service.client.get(f"{USERS}/nobody/transactions/by-key/k"), 404, "unknown_user")


@pytest.mark.parametrize("escaped", ["k" * 256, "a%00b", "a%E2%80%8Bb", "a%09b"])
async def test_what_can_be_no_key_is_refused(service: Service, escaped: str) -> None:
    answer = await service.client.get(f"{USERS}/user_alice/transactions/by-key/{escaped}")
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["idempotency_key"]


# -- one transaction -----------------------------------------------------------------------------------------------


async def whole(service: Service, transaction_id: str) -> dict[str, Any]:
    answer = await service.client.get(f"{TRANSACTIONS}/{transaction_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_transaction_is_shown_with_its_lines_and_the_lot_it_made(service: Service) -> None:
    user = await service.user("1.00")
    terms = {"priority": 7, "expires_at": "2100-01-01T00:00:00.000000Z"}
    booked = await post(service, user, "bonus", "2.50", reference="order 4", metadata={"a": 1}, **terms)
    found = await whole(service, booked["transaction_id"])
    (listed,) = await history(service, user, limit=200, type="bonus")
    lot_id = booked["lots"][0]["lot_id"]
    line = {"asset_type_id": 1, "asset_code": "GOLD"}
    own = {"account_id": booked["account_id"], "lot_id": lot_id, "amount": "2.50", "balance_after": "3.50"}
    assert found == {
        **listed,
        "account_id": booked["account_id"],
        "external_user_id": user,
        "terms": terms,
        "hash": await service.sql("SELECT encode(last_hash, 'hex') FROM accounts WHERE external_user_id = :u", u=user),
        "refund": None,
        "refunded": "0.00",
        "entries": [
            {"line": 1, **line, **own},
            {"line": 2, **line, "account_id": 1, "lot_id": None, "amount": "-2.50", "balance_after": None},
        ],
        "lots": [
            {"lot_id": lot_id, "kind": "promo", "priority": 7, "granted": "2.50", "expires_at": terms["expires_at"]}
        ],
    }


async def test_a_spend_made_no_lot_and_a_refusal_has_no_lines(service: Service) -> None:
    user = await service.user("10.00")
    spent = await whole(service, (await post(service, user, "spend", 4))["transaction_id"])
    assert [each["amount"] for each in spent["entries"]] == ["-4.00", "4.00"]
    assert (spent["lots"], spent["terms"], spent["facts"]) == ([], None, None)
    refusal = await post(service, user, "spend", 40, idempotency_key="k")
    refused = await whole(service, refusal["transaction_id"])
    assert (refused["entries"], refused["lots"], refused["code"]) == ([], [], "insufficient_funds")
    assert refused["facts"]["shortfall"] == "34.00"


async def test_a_transaction_that_is_none_is_not_found_and_an_id_that_is_none_is_refused(service: Service) -> None:
    answer = await service.client.get(f"{TRANSACTIONS}/{NOBODYS}")
    assert_problem(answer, 404, "unknown_transaction", transaction_id=NOBODYS)
    for wrong in ("x", NOBODYS[:-1], NOBODYS.replace("-", ""), f"urn:uuid:{NOBODYS}"):
        problem = assert_problem(await service.client.get(f"{TRANSACTIONS}/{wrong}"), 422, "validation_failed")
        assert [each["parameter"] for each in problem["errors"]] == ["transaction_id"]


# -- by reference --------------------------------------------------------------------------------------------------


async def test_a_reference_leads_to_the_transactions_of_all_users(service: Service) -> None:
    one, other = await service.user(), await service.user()
    for user in (one, other):
        for amount in (1, 2, 99):
            call = "spend" if amount == 99 else "top-up"
            await post(service, user, call, amount, reference="receipt 5", idempotency_key=f"{amount}")
    await post(service, one, "top-up", 1, reference="receipt 55")
    for limit in (1, 2, 3, 6, 50):
        found = await joined(service.client, TRANSACTIONS, reference="receipt 5", limit=limit)
        owners = sorted({(each["account_id"], each["external_user_id"]) for each in found}, reverse=True)
        assert sorted(user for _, user in owners) == sorted([one, other])
        assert [(each["account_id"], each["seq"], each["outcome"]) for each in found] == [
            (account_id, seq, "refused" if seq == 3 else "posted") for account_id, _ in owners for seq in (3, 2, 1)
        ]
    listed = await history(service, one, outcome="any", reference="receipt 5")
    ones = [each for each in found if each["external_user_id"] == one]
    assert ones == [{**each, "account_id": ones[0]["account_id"], "external_user_id": one} for each in listed]


async def test_a_reference_is_needed_and_one_that_nobody_used_leads_nowhere(service: Service) -> None:
    problem = assert_problem(await service.client.get(TRANSACTIONS), 422, "validation_failed")
    assert [(each["parameter"], each["code"]) for each in problem["errors"]] == [("reference", "missing")]
    assert await joined(service.client, TRANSACTIONS, reference="never used") == []


async def test_the_owner_that_was_erased_has_no_name(service: Service) -> None:
    user = await service.user()
    booked = await post(service, user, "top-up", 1, reference="receipt 6")
    await service.set_status(user, "closed")
    assert (await service.client.post(f"{USERS}/{user}/erase")).status_code == 200
    assert (await whole(service, booked["transaction_id"]))["external_user_id"] is None
    assert await joined(service.client, TRANSACTIONS, reference="receipt 6") == []


# -- what no call comes to yet -------------------------------------------------------------------------------------


async def facts_of(rows: Written, seq: int) -> Any:
    return (await rows.client.get(f"{TRANSACTIONS}/{rows.id(seq)}")).json()["facts"]


@alone
async def test_a_group_is_listed_by_its_members_and_with_its_header_only_when_asked_for(rows: Written) -> None:
    await rows.transaction(1, "top_up", 900)
    operations = [
        {"type": "spend", "asset_type_id": 1, "amount": 250},
        {"type": "bonus", "asset_type_id": 2, "amount": 100, "expires_at": us(FUTURE)},
        {"type": "release", "asset_type_id": 1, "target": NOBODYS},
    ]
    group = await rows.transaction(2, "group", facts={"members": 3}, terms={"operations": operations})
    await rows.transaction(3, "spend", 250, group_id=group)
    await rows.transaction(4, "bonus", 100, group_id=group)
    await rows.transaction(5, "expiry", 50)
    await rows.transaction(6, "release", 10, group_id=group)
    refused = await rows.transaction(
        7,
        "group",
        outcome="refused",
        facts={"code": "insufficient_funds", "operation": 1, "asset_type_id": 1, "required": 250, "shortfall": 1},
    )
    await rows.transaction(8, "top_up", 900)
    await rows.insert("transaction_notes", seq=2, digest=bytes(32), salt=bytes(16), reference="a group")
    path = f"{rows.path}/transactions"
    for query, expected in (
        ({}, [8, 6, 5, 4, 3, 1]),
        ({"type": "group"}, [2]),
        ({"type": "group", "outcome": "any"}, [7, 2]),
        ({"group_id": group}, [6, 4, 3, 2]),
        ({"group_id": group, "type": "bonus"}, [4]),
        ({"group_id": group, "to": rfc3339(PAST + timedelta(seconds=4))}, [3, 2]),
        ({"group_id": group, "from": rfc3339(PAST + timedelta(seconds=4))}, [6, 4]),
        ({"group_id": rows.id(3)}, []),
        ({"group_id": refused, "outcome": "any"}, [7]),
        ({"outcome": "refused"}, [7]),
        ({"reference": "a group"}, [2]),
    ):
        for limit in (1, 3, 50):
            given = {name: str(each) for name, each in query.items()}
            assert seqs(await joined(rows.client, path, limit=limit, **given)) == expected, query
    header = (await rows.client.get(f"{TRANSACTIONS}/{group}")).json()
    assert (header["facts"], header["amount"], header["asset_code"], header["refunded"]) == (
        {"members": 3},
        *[None] * 3,
    )
    assert header["terms"]["operations"] == [
        {"type": "spend", "asset_type_id": 1, "asset_code": "GOLD", "amount": "2.50"},
        {"type": "bonus", "asset_type_id": 2, "asset_code": "DMND", "amount": "1.00", "expires_at": rfc3339(FUTURE)},
        {"type": "release", "asset_type_id": 1, "asset_code": "GOLD", "target": NOBODYS},
    ]
    (refusal,) = await joined(rows.client, path, outcome="refused")
    assert (refusal["code"], refusal["facts"]) == (
        "insufficient_funds",
        {"operation": 1, "asset_type_id": 1, "required": "2.50", "shortfall": "0.01"},
    )


@alone
async def test_what_a_hold_came_to_is_shown_with_scales_and_times(rows: Written) -> None:
    lots = [[str(rows.id(1)), 250, "paid", us(FUTURE)], [str(rows.id(2)), 50, "promo", None]]
    shown = [
        {"lot_id": str(rows.id(1)), "amount": "2.50", "kind": "paid", "expires_at": rfc3339(FUTURE)},
        {"lot_id": str(rows.id(2)), "amount": "0.50", "kind": "promo", "expires_at": None},
    ]
    deadline = {"deadline": us(FUTURE), "hold_status": "open", "lots": lots}
    hold = await rows.transaction(1, "hold", 300, facts=deadline, terms={"expires_in_seconds": 3600})
    await rows.transaction(2, "extend", 0, facts=deadline | {"lots": []}, parent_id=hold)
    captured = {"hold_status": "captured", "released": 50, "held_at": [us(PAST), us(FUTURE)]}
    await rows.transaction(3, "capture", 250, facts=captured, parent_id=hold, terms={"final": False})
    await rows.transaction(4, "release", 300, facts={"hold_status": "expired", "lots": lots}, parent_id=hold)
    opened = {"deadline": rfc3339(FUTURE), "hold_status": "open", "lots": shown}
    assert await facts_of(rows, 1) == opened
    assert await facts_of(rows, 2) == opened | {"lots": []}
    assert await facts_of(rows, 3) == {
        "hold_status": "captured",
        "released": "0.50",
        "held_at": [rfc3339(PAST), rfc3339(FUTURE)],
    }
    assert await facts_of(rows, 4) == {"hold_status": "expired", "lots": shown}
    listed = await joined(rows.client, f"{rows.path}/transactions")
    assert [(each["facts"], each["parent_id"]) for each in listed] == [*[(None, str(hold))] * 3, (None, None)]


@alone
async def test_refunds_and_reversals_say_how_much_of_what_they_are_about_is_left(rows: Written) -> None:
    spend = await rows.transaction(1, "spend", 300)
    for seq, number, refunded in ((2, 1, 100), (3, 2, 250)):
        columns = {"refund_no": number, "parent_amount": 300, "refunded_after": refunded}
        facts = {"refundable": 300 - refunded, "debt_paid": 25}
        await rows.transaction(seq, "refund", 150, parent_id=spend, facts=facts, **columns)
    await rows.lot(3, granted=125, remaining=125)
    for line, lot, amount, after in ((1, 9, 25, 25), (2, 9, -25, 0), (3, 3, 125, 125), (4, None, -125, None)):
        await rows.entry(3, line, lot, amount, after)
    await rows.transaction(
        4, "reversal", 0, parent_id=spend, facts={"uncollected": 300}, terms={"on_shortfall": "partial"}
    )
    refund = (await rows.client.get(f"{TRANSACTIONS}/{rows.id(3)}")).json()
    assert refund["refund"] == {"number": 2, "parent_amount": "3.00", "refunded_after": "2.50"}
    assert refund["facts"] == {"refundable": "0.50", "debt_paid": "0.25"}
    assert (refund["parent_id"], refund["balance_after"], refund["external_user_id"]) == (str(spend), "1.25", rows.user)
    assert [(each["line"], each["amount"]) for each in refund["entries"]] == [
        (1, "0.25"),
        (2, "-0.25"),
        (3, "1.25"),
        (4, "-1.25"),
    ]
    assert [(each["lot_id"], each["granted"]) for each in refund["lots"]] == [(str(rows.id(3)), "1.25")]
    assert (await rows.client.get(f"{TRANSACTIONS}/{spend}")).json()["refunded"] == "2.50"
    reversal = (await rows.client.get(f"{TRANSACTIONS}/{rows.id(4)}")).json()
    assert (reversal["amount"], reversal["facts"], reversal["terms"]) == (
        "0.00",
        {"uncollected": "3.00"},
        {"on_shortfall": "partial"},
    )


@alone
async def test_corrections_and_changes_of_the_account_say_who_and_why(rows: Written) -> None:
    limits = {"1": {"balance_max": 500, "amount_min": None}}
    await rows.transaction(1, "account_change", terms={"status": "frozen", "limits": limits})
    await rows.transaction(2, "adjustment", -250, terms={"kind": "paid"})
    note = {"digest": bytes(32), "salt": bytes(16), "operator": "Ada", "reason": "a mistake"}
    for seq in (1, 2):
        await rows.insert("transaction_notes", seq=seq, **note)
    await rows.transaction(3, "spend", 100, facts={"requested": 250})
    refusal = {"code": "insufficient_funds", "asset_type_id": 1, "available": 1, "available_at": us(FUTURE)}
    await rows.transaction(4, "spend", 100, outcome="refused", facts=refusal)
    _, adjustment, change = await joined(rows.client, f"{rows.path}/transactions")
    assert [(each["operator"], each["reason"]) for each in (adjustment, change)] == [("Ada", "a mistake")] * 2
    assert (adjustment["amount"], change["amount"], change["balance_after"]) == ("-2.50", None, None)
    found = (await rows.client.get(f"{TRANSACTIONS}/{rows.id(1)}")).json()
    assert found["terms"] == {"status": "frozen", "limits": {"GOLD": {"balance_max": "5.00", "amount_min": None}}}
    assert await facts_of(rows, 3) == {"requested": "2.50"}
    assert await facts_of(rows, 4) == {"asset_type_id": 1, "available": "0.01", "available_at": rfc3339(FUTURE)}
