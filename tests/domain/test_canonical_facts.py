"""Facts are written as they always were: what is stored and hashed must stay the same text."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.domain.chain import canonical, microseconds
from app.domain.records import HoldStatus

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(HoldStatus)
MOMENTS = st.datetimes(timezones=st.just(UTC))
FACTS = st.dictionaries(st.text(), VALUES | MOMENTS | st.lists(st.lists(VALUES | MOMENTS)))


def test_the_text_of_facts_is_pinned() -> None:
    facts = {"now": datetime(2026, 1, 2, tzinfo=UTC), "ä": [["x", None, 1]], "hold_status": HoldStatus.OPEN}
    assert canonical(facts) == '{"hold_status":"open","now":1767312000000000,"\\u00e4":[["x",null,1]]}'


@given(facts=FACTS)
def test_it_is_what_the_standard_library_writes(facts: dict[str, object]) -> None:
    assert canonical(facts) == json.dumps(facts, sort_keys=True, separators=(",", ":"), default=microseconds)
