"""/catalog: what a spec may say."""

import functools
import hashlib

from fastapi import APIRouter, Response

from service.allocator import give_back
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches
from service.http.problems import responses
from service.jobs.routes import IfNoneMatch
from service.system.catalog_operations import Catalog, catalog_json

router = APIRouter(tags=["catalog"])


@router.get(
    "/catalog",
    response_model=Catalog,
    responses={
        200: {"headers": headers("ETag")},
        304: {"description": "The client has it", "headers": headers("ETag")},
        **responses(),
    },
)
async def read_catalog(if_none_match: IfNoneMatch = None) -> Response:
    """Read what a spec may name: layers, optimizers, losses, metrics, data sets."""
    content, tag = _content()
    if matches(if_none_match, tag):
        return not_modified({"ETag": tag})
    return json_answer(content, headers={"ETag": tag})


@functools.cache
def _content() -> tuple[bytes, str]:
    content = catalog_json()
    give_back()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
