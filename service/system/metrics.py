"""/metrics: for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from service.http.headers import negotiate
from service.http.problems import responses
from service.services import PartsDep
from service.system.metrics_operations import OPENMETRICS, TEXT, exposition

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The metrics; `ridgeline_up` is 0 while the database is away",
            "content": {kind: {"schema": {"type": "string"}} for kind in (TEXT, OPENMETRICS)},
        },
        **responses(),
    },
)
def read_metrics(
    parts: PartsDep,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read the metrics, in Prometheus's text format or as OpenMetrics."""
    wanted = negotiate(accept or (), (TEXT, OPENMETRICS)) or TEXT
    content, media_type = exposition(parts, wanted)
    return Response(content, headers={"Content-Type": media_type, "Vary": "Accept"})
