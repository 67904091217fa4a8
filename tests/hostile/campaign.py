"""What Schemathesis makes of the OpenAPI document: requests that fit it, requests that do not, and chains of them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.engine import Status, StopReason, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from tests.hostile.agreed import is_finding

Body = dict[str, Any]

ANSWER_SHOWN_MAX = 600
RESPONSE_SECONDS_MAX = 10
"""Far more than any answer takes, so that a machine with other work to do is no finding."""


@dataclass(kw_only=True)
class Campaign:
    """Attempts at one service, all with the same seed, and what they found wrong."""

    url: str
    key: str
    seed: int
    examples: int
    cases: Counter[str] = field(default_factory=Counter)
    """How many requests were made, by phase."""

    findings: list[str] = field(default_factory=list)

    def run(self, document: Body, *phases: str, operation: str | None = None) -> None:
        """Try an operation, or all of them, with every check that there is."""
        whole = schemathesis.openapi.from_dict(document, config=self._config(phases))
        whole.hook("filter_failure")(is_finding)
        whole.hook("map_case")(_consistent)
        chosen = whole if operation is None else whole.include(operation_id=operation)
        for event in from_schema(chosen).execute():
            match event:
                case events.ScenarioFinished():
                    phase = event.phase.value
                    self.cases[phase] += len(event.recorder.cases)
                    self.findings += [f"{phase}, {event.label}: {each}" for each in _failures(event.recorder)]
                case events.NonFatalError():
                    self.findings.append(f"{event.label}: {event.info.format()}")
                case events.EngineFinished():
                    assert event.stop_reason is StopReason.COMPLETED

    def _config(self, phases: tuple[str, ...]) -> schemathesis.Config:
        only: Body = {each: {"enabled": True} for each in phases}
        if "stateful" in phases:
            only["stateful"]["inference"] = {"algorithms": []}  # by the document's own links alone
        return schemathesis.Config.from_dict(
            {
                "seed": self.seed,
                "base-url": self.url,
                "headers": {"Authorization": f"Bearer {self.key}"},
                "checks": {"enabled": True, "max_response_time": RESPONSE_SECONDS_MAX},
                "phases": {"enabled": False, **only},
                "generation": {"max-examples": self.examples, "database": "none"},
                "cache": {"enabled": False},
                "continue-on-failure": True,
                "suppress-health-check": ["all"],
                "output": {"sanitization": {"enabled": False}, "truncation": {"enabled": False}},
            }
        )


def _consistent(_context: HookContext, case: Case[Any]) -> Case[Any]:
    """Let a good request say each thing once, where the document can't demand it; otherwise most would be refused."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    if isinstance(case.body, dict) and case.body.get("idempotency_key") is not None:
        case.headers.pop("Idempotency-Key", None)
    if "asset_code" in case.query:
        case.query.pop("asset_type_id", None)
    return case


def _failures(recorder: ScenarioRecorder) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status is Status.SUCCESS or check.failure_info is None:
                continue
            answer = recorder.interactions[case_id].response
            shown = b"" if answer is None else (answer.content or b"")[:ANSWER_SHOWN_MAX]
            failure = check.failure_info
            yield f"{check.name}: {failure.failure.message}\n{shown.decode(errors='replace')}\n{failure.code_sample}"
