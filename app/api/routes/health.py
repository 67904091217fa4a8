"""Whether the process lives, and whether it should be sent requests. Open to everybody: they say nothing else."""

from fastapi import APIRouter, Request, Response

from app.api.dependencies import Services
from app.schemas.responses import HealthResponse

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", operation_id="health_live")
async def live() -> HealthResponse:
    """The process answers."""
    return HealthResponse(status="ok", checks={})


@router.get(
    "/ready",
    operation_id="health_ready",
    responses={503: {"description": "Send no requests here now", "model": HealthResponse}},
)
async def ready(request: Request, response: Response) -> HealthResponse:
    """The database answers, its tables are up to date, and the process is not shutting down."""
    services: Services = request.app.state.services
    report = await services.readiness.report()
    if not report.ready:
        response.status_code = 503
    return HealthResponse(status="ok" if report.ready else "unavailable", checks=report.checks)
