"""Paths into the spec as posted, which has no defaults and no layers of presets."""

from ridgeline.planning.wiring import positions
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec, Model
from ridgeline.spec.schema import Contract

Path = tuple[str | int, ...]
"""The parts of a JSON pointer."""

_LAYERS = ("model", "layers")


def posted_path(spec: JobSpec, path: Path) -> Path:
    """The longest start of `path` that exists in the spec as posted."""
    value: object = spec
    for depth, step in enumerate(path):
        if isinstance(value, Contract) and step in value.model_fields_set:
            value = getattr(value, str(step))
        elif isinstance(value, dict | tuple) and _contains(value, step):
            value = value[step]  # type: ignore[index]
        else:
            return path[:depth]
    return path


def _contains(value: dict[str, object] | tuple[object, ...], step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(step, int) and step < len(value)


def origin(spec: JobSpec, index: int, argument: Path) -> Path:
    """The path to a layer's penalty or constraint, in the layer or in the policy."""
    layer = spec.model.layers[index]
    at: Path = (*_LAYERS, index)
    for part in argument[:-1]:
        layer, at = getattr(layer, str(part)), (*at, part)
    last = argument[-1:]
    if not last or last[0] in layer.model_fields_set:
        return (*at, *last)
    name = str(last[0])
    if name in layer.constraints:
        return ("regularization", "constraint")
    return ("regularization", str(layer.regularizers[name].part))


def about_layer(spec: JobSpec, path: Path, text: str) -> str:
    """`text`, prefixed with the layer's name if `path` leads into a preset's layers."""
    if isinstance(spec.model, Model) or path[:2] != _LAYERS:
        return text
    names = {index: name for name, index in positions(spec.model.layers).items()}
    name = names[int(path[2])]
    return text if repr(name) in text else f"{name}: {text}"


def at_preset(error: SpecError, spec: JobSpec) -> SpecError:
    """The error, with faults of a preset's layers pointing to the preset."""
    return SpecError([_at_preset(fault, spec) for fault in error.faults])


def _at_preset(fault: Fault, spec: JobSpec) -> Fault:
    path = tuple(fault.pointer.split("/")[1:])
    if path[:2] != _LAYERS:
        return fault
    detail = about_layer(spec, path, fault.detail)
    return Fault(pointer=pointer("model"), detail=detail, rule=fault.rule)
