"""What routes say of themselves to OpenAPI beyond what FastAPI sees.

Specs that the documentation shows. A test posts each of them.
"""

from typing import Any

from ridgeline.api.problems import ProblemCode
from service.http.problems import responses

BODY_PROBLEMS = (
    ProblemCode.MALFORMED_JSON,
    ProblemCode.INVALID_SPEC,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.UNAVAILABLE,
)
"""What a route that takes a spec may answer."""


BODY_TOO_SLOW: dict[int | str, dict[str, Any]] = {
    408: {
        **responses(ProblemCode.INVALID_REQUEST)[422],
        "description": "The body did not arrive in time (`invalid-request`)",
    }
}
"""The answer to a body that does not come, for the same routes."""


DIGITS: dict[str, Any] = {
    "name": "digits-l2-dropout",
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.2, "test": 0.1, "stratify": True},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3, "after": ["dense"]}},
    "training": {
        "epochs": 30,
        "batch_size": 32,
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "seed": 7,
    },
    "outputs": ["keras", "saved_model"],
    "tags": ["demo"],
}


IRIS: dict[str, Any] = {
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}


EXAMPLES: dict[str, dict[str, Any]] = {
    "digits": {"summary": "Handwritten digits, with L2 and dropout", "value": DIGITS},
    "iris": {"summary": "The least a spec needs", "value": IRIS},
}


SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobSpec"},
                "examples": EXAMPLES,
            }
        },
    }
}
"""The body of a route that takes a spec: it reads the bytes itself, to bound and to check them."""


_HEADERS = {
    "Accept-Ranges": "`bytes`.",
    "Cache-Control": "`no-store` for what must not be kept.",
    "Content-Disposition": "The file's name.",
    "Accept-Post": "Media types that the path takes.",
    "Content-Location": "The path of the job that the body shows.",
    "Content-Range": "Which bytes of how many these are.",
    "ETag": "Names this version of the representation; send it as If-None-Match.",
    "Idempotent-Replayed": "`true` where the key created the job before.",
    "Link": 'The next page, as `rel="next"`.',
    "Location": "The path of what was made; for a redirect, the address of the file.",
    "Preference-Applied": "The preferences that were followed.",
    "Repr-Digest": "SHA-256 of the whole file (RFC 9530).",
    "Retry-After": "Seconds after which to ask again; absent once the job has ended.",
    "Vary": "`Accept`.",
}


def headers(*names: str) -> dict[str, Any]:
    """Document the response headers of these names."""
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def file_content() -> dict[str, Any]:
    """Document a body of bytes of any media type."""
    return {"*/*": {"schema": {"type": "string", "format": "binary"}}}
