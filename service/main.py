"""The application: its routes, middleware and error handlers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from ridgeline.version import VERSION
from service.comparison import routes as comparison
from service.curves import routes as curves
from service.dashboard import routes as dashboard
from service.datasets import routes as datasets
from service.events import routes as events
from service.http import problems
from service.http.documentation import document
from service.http.requests import HeadLikeGet, reject_unknown_parameters
from service.jobs import routes as jobs
from service.results import artifacts, logs, reports
from service.services import running
from service.settings import Settings
from service.system import catalog, metrics, operations
from service.uploads import routes as uploads

DESCRIPTION = "Trains Keras models from JSON, and reports what the regularization did."

_ROUTES = (
    *(jobs, curves, comparison, events, logs, reports, artifacts),
    *(datasets, uploads),
    *(catalog, operations, metrics),
    dashboard,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; its settings come from the environment by default."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Not made earlier: connections must not cross a fork.
        with running(chosen) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Ridgeline",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        dependencies=[Depends(reject_unknown_parameters)],
        separate_input_output_schemas=False,
        # The interactive pages would load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
    )
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.add_middleware(HeadLikeGet)
    problems.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Build the document on first use: most processes never need it."""
    app.openapi_schema = app.openapi_schema or document(app)
    return app.openapi_schema


def __getattr__(name: str) -> Any:
    """Make `service.main:app` when a server asks for it, not on import."""
    if name != "app":
        raise AttributeError(name)
    return create_app()
