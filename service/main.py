"""The application: its routes, and how requests are read and refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from ridgeline.version import VERSION
from service.artifacts import routes as artifacts
from service.charts import routes as charts
from service.comparison import routes as comparison
from service.curves import routes as curves
from service.dashboard import routes as dashboard
from service.datasets import routes as datasets
from service.events import routes as events
from service.http import problems
from service.http.openapi import document
from service.http.parameters import refuse_unknown
from service.http.routing import HeadLikeGet
from service.jobs import routes as jobs
from service.lifespan import running
from service.logs import routes as logs
from service.reports import routes as reports
from service.settings import Settings
from service.system import catalog, health, metrics, presets, workers
from service.uploads import routes as uploads

DESCRIPTION = "Trains Keras models from JSON, and says what the regularization did."

_ROUTES = (
    *(jobs, curves, charts, comparison, events, logs, reports, artifacts),
    *(datasets, uploads),
    *(workers, catalog, presets, health, metrics),
    dashboard,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; by default the environment says how."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Made here and not before: connections must not be carried over a fork.
        with running(chosen) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Ridgeline",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown)],
        separate_input_output_schemas=False,
        # The interactive pages would load scripts from elsewhere.
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
    """Build the document when it is first asked for: most processes never are."""
    app.openapi_schema = app.openapi_schema or document(app)
    return app.openapi_schema


def __getattr__(name: str) -> Any:
    """Make `service.main:app` when a server asks for it, and not when something is imported."""
    if name != "app":
        raise AttributeError(name)
    return create_app()
