"""Specs as the service stores them, and their differences."""

import json
from typing import Any

from ridgeline.api.comparison import Difference
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from service.comparison.rules import differences

OUTPUT: dict[str, Any] = {"type": "Dense", "units": 3, "activation": "softmax"}
BASE: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {"layers": [OUTPUT]},
    "training": {"loss": "categorical_crossentropy"},
}


def stored(**changes: Any) -> str:
    """A spec as the service stores it: only what the author wrote."""
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
    """All differences of trainable specs, of the jobs `0`, `1` and so on."""
    by_id = {str(number): spec for number, spec in enumerate(specs)}
    listed, left_out = differences(by_id, {key: resolved(spec) for key, spec in by_id.items()})
    assert left_out == 0
    return listed


def values_by_label(*specs: str) -> dict[str, list[Any]]:
    """Each difference's values by its label; `...` for a job that has none."""
    return {
        difference.label: [difference.values.get(str(number), ...) for number in range(len(specs))]
        for difference in compared(*specs)
    }
