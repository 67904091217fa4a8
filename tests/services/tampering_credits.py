"""More ways to change a ledger: what holds, refunds, reversals, groups and changes of accounts have left in it.

They are about Carol and Dave, see tampered_books.py. REWRITTEN are changes after which all hashes were made right
again, and with them whatever else has to be: only repeating what was done can find them.
"""

import pytest

from tests.services.tampering import NOT_ITS_HASH

OUT_OF_PLACE = "its facts are not what it did"


def of(seq: int) -> str:
    """Return the condition for Carol's rows of this number."""
    return f"owner_id = {{carol}} AND seq = {seq}"


def named(seq: int) -> str:
    """Return how verify names Carol's transaction of this number."""
    return f"transaction … (owner {{carol}}, seq {seq})"


def lot_of(seq: int) -> str:
    """Return a query for the id of the lot that this transaction of Carol's made."""
    return f"(SELECT id FROM lots WHERE {of(seq)})"


def id_of(seq: int) -> str:
    """Return a query for the id of Carol's transaction of this number."""
    return f"(SELECT id FROM transactions WHERE {of(seq)})"


def later_balances(seq: int, change: int) -> str:
    """Return what moves Carol's GOLD by `change` after this transaction."""
    return (
        f"UPDATE ledger_entries SET balance_after = balance_after + {change} WHERE owner_id = {{carol}} "
        f"AND seq > {seq} AND asset_type_id = 1 AND account_id = owner_id; "
        f"UPDATE wallets SET posted = posted + {change} WHERE owner_id = {{carol}} AND asset_type_id = 1"
    )


def facts(seq: int, old: str, new: str) -> str:
    """Return what replaces a part of the facts of Carol's transaction."""
    return f"UPDATE transactions SET facts = replace(facts, '{old}', '{new}') WHERE {of(seq)}"


def other_lot(seq: int, old: int, new: int) -> str:
    """Return what puts another lot into the facts of Carol's transaction."""
    return f"UPDATE transactions SET facts = replace(facts, {lot_of(old)}::text, {lot_of(new)}::text) WHERE {of(seq)}"


HOLD = "hold … (owner {carol})"
LOT = "lot … (owner {carol})"
WALLET = "wallet of account {carol} in asset type 1"

HOLDS = [
    pytest.param(
        f"UPDATE holds SET {assignment} WHERE {of(seq)}", f"{HOLD}: {what} is not what its transactions say", id=name
    )
    for name, seq, assignment, what in (
        ("seq", 3, "seq = 4", "seq"),
        ("asset_type_id", 3, "asset_type_id = 2", "asset type"),
        ("amount", 3, "amount = 201", "amount"),
        ("captured", 3, "captured = 51", "captured"),
        ("captured nothing", 36, "captured = 0", "captured"),
        ("deadline", 3, "deadline = deadline + interval '1 microsecond'", "deadline"),
        ("deadline before it was extended", 8, "deadline = deadline - interval '59 days'", "deadline"),
        ("status", 5, "status = 'expired'", "status"),
        ("expired hold was released", 7, "status = 'released'", "status"),
        ("captured hold open again", 36, "status = 'open'", "status"),
        (
            "open hold closed",
            3,
            "status = 'released', lot_ids = '{{}}', lot_amounts = '{{}}', lot_held_at = '{{}}'",
            "status",
        ),
        ("lot_ids", 8, "lot_ids = ARRAY[lot_ids[2], lot_ids[1]]", "what it reserves"),
        ("lot_ids of another lot", 3, f"lot_ids = ARRAY[{lot_of(13)}]", "what it reserves"),
        ("lot_amounts", 3, "lot_amounts = ARRAY[149]", "what it reserves"),
        ("lot_amounts moved by one", 8, "lot_amounts = ARRAY[61, 99]", "what it reserves"),
        ("lot_amounts unknown", 3, "lot_amounts = ARRAY[NULL]::bigint[]", "what it reserves"),
        ("lot_held_at", 3, "lot_held_at = ARRAY[lot_held_at[1] - interval '1 second']", "what it reserves"),
        (
            "reserves nothing",
            3,
            "lot_ids = '{{}}', lot_amounts = '{{}}', lot_held_at = '{{}}'",
            "what it reserves",
        ),
        (
            "closed hold open with its lots",
            5,
            f"status = 'open', lot_ids = ARRAY[{lot_of(1)}], lot_amounts = ARRAY[5], lot_held_at = ARRAY[deadline]",
            "status",
        ),
    )
]

HOLD_ROWS = [
    pytest.param(f"DELETE FROM holds WHERE {of(3)}", f"{HOLD}: is missing", id="open hold deleted"),
    pytest.param(f"DELETE FROM holds WHERE {of(36)}", f"{HOLD}: is missing", id="captured hold deleted"),
    pytest.param(
        f"UPDATE holds SET id = overlay(id::text PLACING '00000000' FROM 1 FOR 8)::uuid WHERE {of(3)}",
        f"{HOLD}: no transaction placed it",
        id="id",
    ),
    pytest.param(
        f"UPDATE holds SET owner_id = {{bob}}, bucket = {{bob}} % 1024 WHERE {of(3)}",
        "hold … (owner {bob}): no transaction placed it",
        id="owner_id and bucket",
    ),
    pytest.param(
        "INSERT INTO holds (id, owner_id, bucket, asset_type_id, seq, amount, deadline, lot_ids, lot_amounts, "
        "lot_held_at) VALUES (gen_random_uuid(), 5127, 7, 1, 1, 5, now(), ARRAY[gen_random_uuid()], ARRAY[5], "
        "ARRAY[now()])",
        "hold of owner 5127: belongs to nothing that is there",
        id="hold of nobody",
    ),
    pytest.param(
        "INSERT INTO holds (id, owner_id, bucket, asset_type_id, seq, amount, deadline, lot_ids, lot_amounts, "
        f"lot_held_at) SELECT id, owner_id, bucket, 1, 10, 30, created_at, ARRAY[{lot_of(1)}], ARRAY[30], "
        f"ARRAY[created_at] FROM transactions WHERE {of(10)}",
        f"{HOLD}: no transaction placed it",
        id="hold of a spend",
    ),
    pytest.param(
        "INSERT INTO holds SELECT (h).* FROM (SELECT jsonb_populate_record(holds, jsonb_build_object('id', "
        f"overlay(id::text PLACING '00000000' FROM 1 FOR 8))) AS h FROM holds WHERE {of(36)}) AS copy",
        f"{HOLD}: no transaction placed it",
        id="hold twice",
    ),
    *(
        pytest.param(f"UPDATE holds SET {assignment} WHERE {of(3)}", f"{HOLD}: its times are out of range", id=name)
        for name, assignment in (
            ("deadline never", "deadline = 'infinity'"),
            ("deadline far ahead", "deadline = '20000-01-01Z'"),
            ("held since ever", "lot_held_at = ARRAY['-infinity'::timestamptz]"),
            ("held far ahead", "lot_held_at = ARRAY['20000-01-01Z'::timestamptz]"),
        )
    ),
]

PROJECTIONS = [
    # -- lots ----------------------------------------------------------------------------------------------------------
    pytest.param(f"UPDATE lots SET held = 99 WHERE {of(1)}", f"{LOT}: held is 99, not 100", id="lot held"),
    pytest.param(
        f"UPDATE lots SET held = 1 WHERE {of(40)}; "
        "UPDATE wallets SET held = held + 1 WHERE owner_id = {carol} AND asset_type_id = 1",
        f"{LOT}: held is 1, not 0",
        id="lot held by no hold",
    ),
    pytest.param(
        f"UPDATE lots SET held = held + 1 WHERE {of(1)}; UPDATE lots SET held = held - 1 WHERE {of(2)}",
        f"{LOT}: held is 101, not 100",
        id="lot held moved to another",
    ),
    pytest.param(f"UPDATE lots SET debt = 349 WHERE {of(15)}", f"{LOT}: owes 349, not 350", id="lot debt"),
    pytest.param(
        f"UPDATE lots SET debt = 0, reversed = false WHERE {of(15)}", f"{LOT}: owes 0, not 350", id="lot never reversed"
    ),
    pytest.param(
        f"UPDATE lots SET reversed = true WHERE {of(1)}", f"{LOT}: reversed is True, not False", id="lot reversed"
    ),
    pytest.param(f"UPDATE lots SET expired = 39 WHERE {of(2)}", f"{LOT}: expired is 39, not 40", id="lot expired"),
    pytest.param(f"UPDATE lots SET expired = 1 WHERE {of(1)}", f"{LOT}: expired is 1, not 0", id="lot never expired"),
    pytest.param(
        f"UPDATE lots SET remaining = 70, open = true WHERE {of(13)}",
        f"{LOT}: remaining is 70, not 0",
        id="lot that came back as another open again",
    ),
    # -- wallets -------------------------------------------------------------------------------------------------------
    *(
        pytest.param(
            f"UPDATE wallets SET {assignment} WHERE owner_id = {{carol}} AND asset_type_id = 1",
            f"{WALLET}: {problem}",
            id=name,
        )
        for name, assignment, problem in (
            ("wallet held", "held = held + 1", "held is 311, not 310"),
            ("wallet holds nothing", "held = 0", "held is 0, not 310"),
            ("day", "day = day - 1", "what it counts for … is not what its transactions say"),
            ("day_spent", "day_spent = 0", "what it counts for … is not what its transactions say"),
            ("day_credited", "day_credited = 0", "what it counts for … is not what its transactions say"),
            ("no day", "day = NULL", "what it counts for None is not what its transactions say"),
            (
                "due after a deadline",
                "next_due_at = next_due_at + interval '30 days'",
                "next_due_at is after the expiry of one of its lots or the deadline of one of its holds",
            ),
        )
    ),
    # -- accounts ------------------------------------------------------------------------------------------------------
    pytest.param(
        "UPDATE accounts SET status = 'frozen' WHERE id = {carol}",
        "account {carol}: is frozen, its history says active",
        id="status",
    ),
    pytest.param(
        "UPDATE accounts SET status = 'active' WHERE id = {dave}",
        "account {dave}: is active, its history says closed",
        id="closed account active again",
    ),
    *(
        pytest.param(
            f"UPDATE accounts SET limits = {limits} WHERE id = {{{user}}}",
            f"account {{{user}}}: its limits are not those that its history says",
            id=name,
        )
        for name, user, limits in (
            ("limits", "carol", "replace(limits, '1000000000', '2000000000')"),
            ("limits taken away", "carol", "NULL"),
            ("limits of an asset type taken away", "carol", "limits::jsonb - '2'"),
            ("limits given", "alice", "'1'"),
        )
    ),
    pytest.param(
        "UPDATE accounts SET external_user_id = 'user_dave' WHERE id = {dave}",
        "account {dave}: is erased and has a name",
        id="erased name given back",
    ),
    pytest.param(
        "UPDATE accounts SET external_user_id = 'erased/' || id WHERE id = {carol}",
        "account {carol}: has lost its name and was not erased",
        id="name erased by nobody",
    ),
]

HEADERS = [
    pytest.param(
        f"UPDATE transactions SET {assignment} WHERE {of(seq)}", f"{named(seq)}: {problem}", id=f"{seq} {assignment}"
    )
    for seq, assignment, problem in (
        (12, "refund_no = 3", "is refund 2 of 30, 30 given back; it says 3 of 30, 30"),
        (12, "parent_amount = 31", "is refund 2 of 30, 30 given back; it says 2 of 31, 30"),
        (12, "refunded_after = 29", "is refund 2 of 30, 30 given back; it says 2 of 30, 29"),
        (12, "parent_id = (SELECT id FROM transactions WHERE owner_id = {carol} AND seq = 16)", NOT_ITS_HASH),
        (11, "amount = 11", NOT_ITS_HASH),
        (4, "parent_id = (SELECT id FROM transactions WHERE owner_id = {carol} AND seq = 5)", NOT_ITS_HASH),
        (4, "facts = replace(facts, 'open', 'captured')", NOT_ITS_HASH),
        (4, "terms = NULL", NOT_ITS_HASH),
        (4, "amount = 51", NOT_ITS_HASH),
        (3, "amount = 201", NOT_ITS_HASH),
        (9, "facts = replace(facts, ',100,', ',99,')", NOT_ITS_HASH),
        (18, "facts = replace(facts, '480', '470')", NOT_ITS_HASH),
        (24, "group_id = NULL", NOT_ITS_HASH),
        (24, "group_id = gen_random_uuid()", NOT_ITS_HASH),
        (23, "facts = replace(facts, '2', '1')", NOT_ITS_HASH),
        (26, "facts = replace(facts, 'insufficient_funds', 'account_frozen')", NOT_ITS_HASH),
        (27, "terms = replace(terms, '1000000000', '2000000000')", NOT_ITS_HASH),
        (28, "terms = replace(terms, 'frozen', 'closed')", NOT_ITS_HASH),
    )
]

NOTES = [
    pytest.param("reason = 'no mistake'", id="reason"),
    pytest.param("reason = NULL", id="reason removed"),
    pytest.param("operator = 'Otto'", id="operator"),
    pytest.param("operator = reason, reason = operator", id="reason and operator swapped"),
    pytest.param("reference = reason, reason = NULL", id="reason in another place"),
]

REWRITTEN = [
    pytest.param(change, f"{named(seq)}{problem}", id=name)
    for name, seq, change, problem in (
        # -- holds -----------------------------------------------------------------------------------------------------
        ("hold named otherwise", 3, facts(3, "promo", "paid"), f": {OUT_OF_PLACE}"),
        (
            "hold with another deadline than was stated",
            3,
            (
                "UPDATE transactions AS t SET facts = replace(facts, us, (us::bigint + 1)::text) FROM "
                f"(SELECT facts::jsonb ->> 'deadline' AS us FROM transactions WHERE {of(3)}) AS old WHERE t.{of(3)}; "
                f"UPDATE holds SET deadline = deadline + interval '1 microsecond' WHERE {of(3)}"
            ),
            f": {OUT_OF_PLACE}",
        ),
        (
            "hold of credits of another asset type",
            36,
            other_lot(36, 1, 25),
            ": sets 50 aside in lot …, which are not there",
        ),
        (
            "hold of credits that have expired",
            36,
            other_lot(36, 1, 2),
            ": sets 50 aside in lot …, which are not there",
        ),
        (
            "hold with another amount",
            36,
            f"UPDATE transactions SET amount = 51 WHERE {of(36)}; UPDATE holds SET amount = 51 WHERE {of(36)}",
            ": sets 50 aside, its header says 51",
        ),
        ("hold that can't be read", 3, f"UPDATE transactions SET facts = 'x' WHERE {of(3)}", ": its terms or facts …"),
        ("hold that says nothing", 3, f"UPDATE transactions SET facts = NULL WHERE {of(3)}", ": its terms or facts …"),
        (
            "capture of credits held since another moment",
            4,
            (
                "UPDATE transactions AS t SET facts = replace(facts, us, (us::bigint - 1)::text) FROM "
                f"(SELECT facts::jsonb #>> '{{{{held_at,0}}}}' AS us FROM transactions WHERE {of(4)}) AS old "
                f"WHERE t.{of(4)}"
            ),
            f": {OUT_OF_PLACE}",
        ),
        (
            "capture from another lot",
            37,
            (
                f"UPDATE ledger_entries SET lot_id = {lot_of(2)} WHERE {of(37)} AND line = 1; "
                f"UPDATE lots SET remaining = remaining + 20 WHERE {of(1)}; "
                f"UPDATE lots SET remaining = remaining - 20, held = 190 WHERE {of(2)}"
            ),
            " line 1: should be -20 of lot …",
        ),
        ("capture that released less", 37, facts(37, "30", "29"), f": {OUT_OF_PLACE}"),
        (
            "capture that was not to be final",
            37,
            f"UPDATE transactions SET terms = '{{{{\"final\":false}}}}' WHERE {of(37)}",
            f": {OUT_OF_PLACE}",
        ),
        (
            "capture that was not to take more",
            35,
            f"UPDATE transactions SET terms = NULL WHERE {of(35)}",
            ": takes more than was held",
        ),
        (
            "capture of another hold",
            37,
            f"UPDATE transactions SET parent_id = {id_of(5)} WHERE {of(37)}",
            ": its hold was released before",
        ),
        (
            "capture of no hold",
            37,
            f"UPDATE transactions SET parent_id = {id_of(10)} WHERE {of(37)}",
            ": no hold of this owner was placed by …",
        ),
        (
            "release of other lots",
            6,
            other_lot(6, 1, 2),
            f": {OUT_OF_PLACE}",
        ),
        ("release of other amounts", 6, facts(6, ",100,", ",99,"), f": {OUT_OF_PLACE}"),
        (
            "release that pays no debt",
            20,
            (
                f"DELETE FROM ledger_entries WHERE {of(20)}; {later_balances(20, 30)}; "
                f"UPDATE lots SET remaining = remaining + 30, open = true, debt = debt + 30 WHERE {of(15)}"
            ),
            ": has 0 lines of its own, not 1",
        ),
        (
            "release by nobody's deadline",
            6,
            f"{facts(6, 'released', 'expired')}; UPDATE holds SET status = 'expired' WHERE {of(5)}",
            f": {OUT_OF_PLACE}",
        ),
        (
            "deadline that was a release",
            31,
            f"{facts(31, 'expired', 'released')}; UPDATE holds SET status = 'released' WHERE {of(7)}",
            f": {OUT_OF_PLACE}",
        ),
        (
            "deadline that took effect later",
            31,
            f"UPDATE transactions SET effective_at = effective_at + interval '1 second' WHERE {of(31)}",
            ": did not take effect when it says",
        ),
        (
            "hold that outlived its deadline",
            31,
            (
                "UPDATE transactions SET type = 'account_change', asset_type_id = NULL, amount = NULL, "
                f"parent_id = NULL WHERE {of(31)}"
            ),
            ": comes before the end of hold …, which was due",
        ),
        # -- expiry ----------------------------------------------------------------------------------------------------
        (
            "expiry that the Treasury got",
            32,
            f"UPDATE ledger_entries SET account_id = 1 WHERE {of(32)} AND account_id = 2",
            ": Treasury or Breakage have other lines than they should",
        ),
        (
            "expiry that was a spend",
            32,
            f"UPDATE transactions SET type = 'spend' WHERE {of(32)}",
            ": comes before the expiry of lot …, which was due",
        ),
        (
            "expiry of less",
            32,
            (
                f"UPDATE ledger_entries SET amount = -39, balance_after = 1201 WHERE {of(32)} AND line = 1; "
                f"UPDATE ledger_entries SET amount = 39 WHERE {of(32)} AND line = 2; "
                f"UPDATE transactions SET amount = 39 WHERE {of(32)}; {later_balances(32, 1)}; "
                f"UPDATE lots SET remaining = remaining + 1, expired = 39 WHERE {of(2)}"
            ),
            " line 1: leaves 1 free in lot …",
        ),
        (
            "expiry of what had not expired",
            32,
            f"UPDATE transactions SET effective_at = effective_at - interval '1 microsecond' WHERE {of(32)}",
            " line 1: lot … has not expired",
        ),
        # -- giving and taking -----------------------------------------------------------------------------------------
        (
            "top-up of a gift",
            1,
            f"UPDATE lots SET kind = 'promo' WHERE {of(1)}",
            ": lot … is not as it should have been made",
        ),
        (
            "bonus that lives longer than was stated",
            2,
            f"UPDATE lots SET expires_at = expires_at + interval '1 day' WHERE {of(2)}",
            ": lot … is not as it should have been made",
        ),
        (
            "bonus that burns later than was stated",
            2,
            f"UPDATE lots SET priority = 50 WHERE {of(2)}",
            ": lot … is not as it should have been made",
        ),
        (
            "spend that makes a lot",
            10,
            (
                "INSERT INTO lots SELECT overlay(id::text PLACING '00000000' FROM 1 FOR 8)::uuid, owner_id, 10, "
                f"expires_at, granted, 0, 0, 0, asset_type_id, bucket, priority, false, kind FROM lots WHERE {of(1)}"
            ),
            ": made a lot that it can't make",
        ),
        (
            "spend of what is held",
            38,
            (
                f"UPDATE ledger_entries SET amount = -870, balance_after = 300 WHERE {of(38)} AND line = 1; "
                f"UPDATE ledger_entries SET amount = 870 WHERE {of(38)} AND line = 2; "
                f"UPDATE transactions SET amount = 870 WHERE {of(38)}; {later_balances(38, -10)}"
            ),
            ": takes less than it was to, and could have taken more",
        ),
        ("spend that was asked for no more", 38, facts(38, "1000000", "860"), ": takes less than it was to…"),
        (
            "spend that says nothing",
            10,
            f"UPDATE transactions SET facts = 'x' WHERE {of(10)}",
            ": its terms or facts …",
        ),
        (
            "lines that cancel each other out",
            10,
            (
                "INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount) "
                f"SELECT owner_id, bucket, seq, added.line, 1, asset_type_id, added.amount FROM ledger_entries, "
                f"(VALUES (3, 5), (4, -5)) AS added (line, amount) WHERE {of(10)} AND ledger_entries.line = 2"
            ),
            ": Treasury or Breakage have other lines than they should",
        ),
        # -- giving and taking back ------------------------------------------------------------------------------------
        (
            "refund into another lot",
            12,
            f"UPDATE ledger_entries SET lot_id = {lot_of(2)} WHERE {of(12)} AND line = 1",
            " line 1: should be 20 of lot …",
        ),
        (
            "refund that pays no debt",
            19,
            (
                f"DELETE FROM ledger_entries WHERE {of(19)} AND line IN (2, 4); "
                f"UPDATE ledger_entries SET line = 2 WHERE {of(19)} AND line = 3; {later_balances(19, 100)}; "
                f"UPDATE lots SET remaining = remaining + 100, open = true WHERE {of(15)}; "
                f"{facts(19, '100', '0')}"
            ),
            ": has 1 lines of its own, not 2",
        ),
        ("refund that leaves more", 11, facts(11, "20", "21"), f": {OUT_OF_PLACE}"),
        (
            "refund of another spend",
            12,
            f"UPDATE transactions SET parent_id = {id_of(24)} WHERE {of(12)}",
            ": gives back what … has not taken",
        ),
        (
            "refund of a top-up",
            12,
            f"UPDATE transactions SET parent_id = {id_of(1)} WHERE {of(12)}",
            ": gives back what … has not taken",
        ),
        (
            "refund into a lot that lives longer",
            33,
            f"UPDATE lots SET expires_at = expires_at + interval '1 day' WHERE {of(33)}",
            ": lot … is not as it should have been made",
        ),
        (
            "refund into a lot of another kind",
            33,
            f"UPDATE lots SET kind = 'paid' WHERE {of(33)}",
            ": lot … is not as it should have been made",
        ),
        (
            "reversal that claims less",
            18,
            f"{facts(18, '480', '470')}; UPDATE lots SET debt = 340 WHERE {of(15)}",
            f": {OUT_OF_PLACE}",
        ),
        (
            "reversal that takes less than there is",
            18,
            (
                f"UPDATE ledger_entries SET amount = -10, balance_after = 1290 WHERE {of(18)} AND line = 1; "
                f"UPDATE ledger_entries SET amount = 10 WHERE {of(18)} AND line = 2; "
                f"UPDATE transactions SET amount = 10 WHERE {of(18)}; {later_balances(18, 10)}; "
                f"{facts(18, '480', '490')}; "
                f"UPDATE lots SET debt = 360, remaining = 10, open = true WHERE {of(15)}"
            ),
            ": takes 10 of the 500 that … gave, and could take 20",
        ),
        (
            "reversal that was to take all or nothing",
            18,
            f"UPDATE transactions SET terms = NULL WHERE {of(18)}",
            ": takes 20, and may take 500 or nothing",
        ),
        (
            "reversal of an adjustment",
            18,
            f"UPDATE transactions SET parent_id = {id_of(10)} WHERE {of(18)}",
            ": reverses nothing that gave credits",
        ),
        # -- groups and accounts ---------------------------------------------------------------------------------------
        (
            "member without its group",
            24,
            f"UPDATE transactions SET group_id = NULL WHERE {of(24)}",
            ": comes before all members of the last group have",
        ),
        (
            "member of another group",
            24,
            f"UPDATE transactions SET group_id = gen_random_uuid() WHERE {of(24)}",
            ": is no member of a group",
        ),
        (
            "member of a group that is whole",
            27,
            f"UPDATE transactions SET group_id = {id_of(23)} WHERE {of(27)}",
            ": is no member of a group",
        ),
        (
            "member that was not asked for",
            25,
            f"UPDATE transactions SET type = 'bonus' WHERE {of(25)}; UPDATE lots SET kind = 'promo' WHERE {of(25)}",
            ": is another operation than its group was asked for",
        ),
        (
            "group of more",
            23,
            facts(23, "2", "3"),
            f": {OUT_OF_PLACE}",
        ),
        (
            "change that can't be read",
            27,
            f"UPDATE transactions SET terms = 'x' WHERE {of(27)}",
            ": its terms …can't be read",
        ),
        (
            "change to no state",
            28,
            f"UPDATE transactions SET terms = replace(terms, 'frozen', 'gone') WHERE {of(28)}",
            ": its terms …can't be read",
        ),
        (
            "change with an amount",
            28,
            f"UPDATE transactions SET asset_type_id = 1, amount = 5 WHERE {of(28)}",
            ": has an asset type or amount that it can't have",
        ),
        (
            "spend with a parent",
            10,
            f"UPDATE transactions SET parent_id = {id_of(3)} WHERE {of(10)}",
            ": has a parent that it can't have",
        ),
    )
]
