"""Plugs the web edge together."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint  # noqa: TC002 - the signature of the error page
from starlette.requests import Request  # noqa: TC002 - as above
from starlette.responses import Response  # noqa: TC002 - as above

from some.app.web import answers, assets
from some.app.web.edge import Edge, Ports
from some.app.web.render import Renderer
from some.app.web.routes import accounts, api, health, pages
from some.app.web.security import Guard
from some.app.web.tail import TailLog
from some.errors import SomeError

TITLE = "SOME"


def create_app(ports: Ports) -> FastAPI:
    """Return the application; it opens nothing and starts nothing by itself."""
    files = assets.load()
    renderer = Renderer(files, ports.translator, ports.settings.zone)
    app = FastAPI(
        title=TITLE,
        version=ports.settings.version or "0",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            SomeError: _failed,
            HTTPException: _failed,
            RequestValidationError: _failed,
        },
    )
    app.state.edge = Edge(ports, files, renderer, TailLog(ports.clock))
    for room in (pages, accounts, api, health):
        app.include_router(room.router)
    app.middleware("http")(_error_page)
    app.add_middleware(Guard, settings=ports.settings)
    return app


async def _failed(request: Request, error: Exception) -> Response:
    """Answer in a worker thread, because the error page may ask who the visitor is."""
    return await run_in_threadpool(answers.failed, request, error)


async def _error_page(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Turn what nobody foresaw into a page with a request number: one of the two places that catch everything."""
    try:
        return await call_next(request)
    except Exception as error:  # noqa: BLE001 - the web error page (design 8, Errors)
        return await run_in_threadpool(answers.unexpected, request, error)
