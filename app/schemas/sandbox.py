"""Bodies about the sandbox, that come in and go out."""

from pydantic import ConfigDict, Field

from app.schemas.requests import Request
from app.schemas.responses import MomentOut, Response


class AdvanceClockRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"advance_seconds": 86400}]})

    advance_seconds: int = Field(
        ge=0, le=3_155_760_000, description="By how much; 0 only tells the time. It stays before the year 9999."
    )


class ClockResponse(Response):
    now: MomentOut
