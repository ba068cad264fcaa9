"""Changes to a spec as a JSON Patch (RFC 6902), and the spec they give."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.schema import Contract


class PatchOperation(Contract):
    """One operation. `add` and `replace` say all that advice on a spec has to say."""

    op: Literal["add", "replace"]
    path: Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)+$")]
    """RFC 6901 JSON pointer to the member that gets the value."""
    value: JsonValue


Patch = tuple[PatchOperation, ...]


def apply_patch(spec: JobSpec, patch: Patch) -> JobSpec:
    """The spec with every default said, and `patch` applied to it.

    >>> better = apply_patch(job.resolved, client.report(job.id).suggestions[0].patch)

    Raises LookupError where a path leads nowhere, pydantic.ValidationError where the result is no
    JobSpec.
    """
    document: Any = spec.model_dump(mode="json")
    for operation in patch:
        _apply(document, operation)
    return JobSpec.model_validate_json(json.dumps(document))


def _apply(document: Any, operation: PatchOperation) -> None:
    *way, last = [_unescaped(part) for part in operation.path.split("/")[1:]]
    holder = document
    try:
        for part in way:
            holder = holder[int(part) if isinstance(holder, list) else part]
        if isinstance(holder, list) and operation.op == "add":
            holder.insert(len(holder) if last == "-" else int(last), operation.value)
            return
        place = int(last) if isinstance(holder, list) else last
        if operation.op == "replace":
            holder[place]  # it has to be there
        holder[place] = operation.value
    except (LookupError, TypeError, ValueError):
        raise LookupError(f"expected a path into the spec, received {operation.path}") from None


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
