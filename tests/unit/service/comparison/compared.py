"""Specs as the service stores them, and what comes of comparing some."""

import json
from typing import Any

from ridgeline.api.comparison import Difference
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from service.comparison.differences import differences

OUTPUT: dict[str, Any] = {"type": "Dense", "units": 3, "activation": "softmax"}
BASE: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {"layers": [OUTPUT]},
    "training": {"loss": "categorical_crossentropy"},
}


def stored(**changes: Any) -> str:
    """A spec as the service stores it: what the author said."""
    return JobSpec.model_validate_json(json.dumps(BASE | changes)).model_dump_json(
        exclude_unset=True
    )


def layers(*hidden: dict[str, Any], **changes: Any) -> str:
    """A spec of hidden layers and the output."""
    return stored(model={"layers": [*hidden, OUTPUT]}, **changes)


def dense(units: int = 8, **changes: Any) -> dict[str, Any]:
    return {"type": "Dense", "units": units, "activation": "relu", **changes}


def dropout(rate: float = 0.5, **changes: Any) -> dict[str, Any]:
    return {"type": "Dropout", "rate": rate, **changes}


def resolved(spec: str) -> str:
    return resolve(JobSpec.model_validate_json(spec)).spec.model_dump_json()


def compared(*specs: str) -> list[Difference]:
    """All differences of specs that can be trained, of the jobs `0`, `1` and so on."""
    by_id = {str(number): spec for number, spec in enumerate(specs)}
    found, left_out = differences(by_id, {key: resolved(spec) for key, spec in by_id.items()})
    assert left_out == 0
    return found


def told(*specs: str) -> dict[str, list[Any]]:
    """Each difference's values by its label; `...` for a job that has none."""
    return {
        each.label: [each.values.get(str(number), ...) for number in range(len(specs))]
        for each in compared(*specs)
    }
