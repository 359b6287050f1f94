"""For supervisors and monitors, and the static files."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from some.actor import Permission
from some.app.web.access import public, requires
from some.app.web.call import Call, Guest  # noqa: TC001 - FastAPI reads annotations
from some.errors import NotFound

router = APIRouter(include_in_schema=False)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/live")
def live(_seen: Guest = public()) -> Response:
    """Say that the process answers."""
    return Response(b'{"live":true}', media_type="application/json")


@router.get("/ready")
def ready(seen: Guest = public()) -> Response:
    """Say which parts answer; 503 where one does not."""
    parts = dict(seen.edge.ports.ready())
    status = 200 if all(parts.values()) else 503
    return Response(orjson.dumps({"ready": status == 200, "parts": parts}), status, media_type="application/json")  # noqa: PLR2004 - HTTP OK


@router.get("/metrics")
def metrics(call: Call = requires(Permission.STATUS_READ)) -> Response:
    """Return the counters as Prometheus reads them."""
    return Response(call.edge.ports.metrics(), media_type=METRICS_TYPE)


@router.get("/static/{digest}/{name}")
def static(digest: str, name: str, seen: Guest = public()) -> Response:
    """Return a static file of this release."""
    assets = seen.edge.assets
    if digest != assets.digest or name not in assets.files:
        raise NotFound(f"no static file {name!r}")
    return Response(assets.files[name], media_type=assets.media_type(name), headers={"cache-control": FOR_EVER})
