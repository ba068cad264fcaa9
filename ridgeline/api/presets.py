"""Presets as they are offered: what they are, what they take, and a job that trains each."""

import json
from typing import Any

from ridgeline.api.catalog import Argument, arguments_of, description_of
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.presets import Preset
from ridgeline.spec.schema import Contract


class PresetEntry(Contract):
    """A preset and a job that trains it."""

    name: str
    description: str
    source: str
    """Where in the note it comes from."""
    parameters: tuple[Argument, ...]
    spec: JobSpec
    """Ready to be posted, with the parameters at the values asked for."""


def preset_entry(preset: type[Preset], **parameters: Any) -> PresetEntry:
    """A preset with `parameters` in place of its defaults, as JSON has them.

    Raises pydantic.ValidationError, with locations in the spec, where it does not take them.
    """
    name = preset.model_fields["preset"].default
    defaults = {
        field: info.default for field, info in preset.model_fields.items() if field != "preset"
    }
    model = {"preset": name, **defaults, **parameters}
    spec = {"name": name, **preset.job, "model": model}
    return PresetEntry(
        name=name,
        description=description_of(preset),
        source=preset.source,
        parameters=arguments_of(preset, "preset"),
        spec=JobSpec.model_validate_json(json.dumps(spec)),
    )
