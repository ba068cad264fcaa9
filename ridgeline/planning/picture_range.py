"""The range of pictures' values at each layer, which layers that change colors must know."""

from collections.abc import Mapping, Sequence

from ridgeline.planning.output_range import Range
from ridgeline.planning.wiring import INPUT
from ridgeline.spec.dataset import BuiltinDataset, Dataset, UploadDataset
from ridgeline.spec.dataset.contents import ArrayMember
from ridgeline.spec.dataset.stored import DatasetSnapshot
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import KERAS_VALUE_RANGE, Augmentation, ValueRanged
from ridgeline.spec.layers.core import Rescaling
from ridgeline.spec.layers.images import CenterCrop, Resizing

_BYTES = Range(0, 255)
_DIGITS = Range(0, 16)
_UNIT = Range(0, 1)
_STANDARD = Range(-3, 3)
"""Values of mean 0 and variance 1 seldom lie outside."""
_USUAL = (_UNIT, Range(-1, 1), _BYTES)


def picture_range(dataset: Dataset) -> Range | None:
    """The range of a spelled-out data set's features after scaling; None if it is unknown."""
    scaled = {"unit": _UNIT, "minmax": _UNIT, "standard": _STANDARD}
    if dataset.scaling != "none":
        return scaled.get(dataset.scaling)
    if isinstance(dataset, BuiltinDataset):
        return _DIGITS if dataset.name == "digits" else None
    if isinstance(dataset, UploadDataset):
        return _stored_range(dataset.stored, dataset.features or ())
    return _BYTES if len(dataset.shape.features) > 1 else None


def value_ranges(layers: Sequence[Layer], pictures: Range | None) -> Mapping[str, Range | None]:
    """The range of each layer's input, by the layer's name, for wired layers; None if unknown."""
    after: dict[str, Range | None] = {INPUT: pictures}
    before: dict[str, Range | None] = {}
    for layer in layers:
        name = str(layer.name)
        before[name] = after.get((layer.inputs or (INPUT,))[0])
        after[name] = _after(layer, before[name])
    return before


def with_value_ranges(layers: Sequence[Layer], pictures: Range | None) -> tuple[Layer, ...]:
    """The wired layers, with the range of their input where `value_range` was left out."""
    ranges = value_ranges(layers, pictures)
    return tuple(_with_range(layer, ranges[str(layer.name)]) for layer in layers)


def _with_range(layer: Layer, span: Range | None) -> Layer:
    if not isinstance(layer, ValueRanged) or layer.value_range is not None:
        return layer
    low, high = span or KERAS_VALUE_RANGE
    return layer.model_copy(update={"value_range": (float(low), float(high))})


def _stored_range(stored: DatasetSnapshot | None, names: Sequence[str]) -> Range | None:
    """The range of unscaled pictures, or of the array whose rows are the features."""
    if stored is None or stored.images is not None:
        return _BYTES
    arrays = [each for each in stored.arrays or () if (each.stem or each.name) in names]
    spans = [_array_range(array) for array in arrays]
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return Range(min(span.low for span in known), max(span.high for span in known))


def _array_range(array: ArrayMember) -> Range | None:
    """The usual range that its values lie in, such as 0 to 1; else from the least to the most."""
    if array.dtype == "uint8":
        return _BYTES
    low, high = array.minimum, array.maximum
    if low is None or high is None or low >= high:
        return None
    fitting = (usual for usual in _USUAL if usual.low <= low and high <= usual.high)
    return next(fitting, Range(low, high))


def _after(layer: Layer, before: Range | None) -> Range | None:
    """The range of a layer's output."""
    if before is None:
        return None
    if isinstance(layer, ValueRanged):
        return before if layer.value_range is None else Range(*layer.value_range)
    if isinstance(layer, Rescaling):
        if isinstance(layer.scale, tuple) or isinstance(layer.offset, tuple):
            return None
        ends = sorted(end * layer.scale + layer.offset for end in before)
        return Range(*ends) if ends[0] < ends[1] else None
    moves = isinstance(layer, Augmentation | Resizing | CenterCrop) or layer.keeps_numbers()
    return before if moves else None
