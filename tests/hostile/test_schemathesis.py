"""Whatever is sent, fitting the OpenAPI document or not: no 500, no surprise 2xx, and every answer is as declared.

Each operation is a test of its own, on a sandbox of its own, whose ledger is verified afterwards. `make fuzz` does
twenty times as much. The seed is in the run's header.
"""

import copy
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from app.config import Settings
from tests.api.shapes import document
from tests.hostile.campaign import Campaign
from tests.hostile.serving import served
from tests.hostile.targets import Targets, of_one_user, with_few_kinds
from tests.sizes import LONG, SEED, choices, size

KEY = "the-key-of-hostile-tests"
EXAMPLES = size(100, 2_000)
CHAINED_CALLS = 3 * EXAMPLES
KINDS = 3
"""How many kinds of operations groups and batches have in an ordinary run, of the ten that are tried by themselves."""

OPERATIONS = [each["operationId"] for path in document()["paths"].values() for each in path.values()]


@pytest.fixture
def campaign(sandbox_url: str) -> Iterator[Campaign]:
    settings = Settings(
        database_url=SecretStr(sandbox_url), wallet_api_key=SecretStr(KEY), due_job=False, log_level="error"
    )
    with served(settings) as url:
        yield Campaign(url=url, key=KEY, seed=SEED, examples=EXAMPLES)


def expect_no_findings(campaign: Campaign) -> None:
    if campaign.findings:
        pytest.fail(f"{len(campaign.findings)} findings, the first ones:\n\n" + "\n\n".join(campaign.findings[:10]))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_hostile_requests_get_what_the_document_says(campaign: Campaign, operation: str) -> None:
    targets = Targets(campaign.url, KEY)
    api = document() if LONG else with_few_kinds(document(), choices(operation), KINDS)
    campaign.run(targets.listed(api), "coverage", operation=operation)
    campaign.run(targets.drawn(api), "examples", "fuzzing", operation=operation)
    expect_no_findings(campaign)
    assert campaign.cases["coverage"]
    assert campaign.cases["fuzzing"]


def test_chains_of_calls_get_what_the_document_says(campaign: Campaign) -> None:
    api = of_one_user(Targets(campaign.url, KEY).drawn(document()))
    while not campaign.findings and campaign.cases["stateful"] < CHAINED_CALLS:
        campaign.run(api, "stateful")
        campaign.seed += 1  # what was booked stays: when Hypothesis sees answers change, it ends what it had begun
    expect_no_findings(campaign)


def test_a_campaign_finds_what_is_not_as_the_document_says(campaign: Campaign) -> None:
    api = copy.deepcopy(document())
    del api["paths"]["/api/v1/wallets/users/{external_user_id}/balance"]["get"]["responses"]["404"]
    campaign.examples = 50
    campaign.run(api, "fuzzing", operation="get_balance")
    assert any("status_code_conformance" in each for each in campaign.findings)
