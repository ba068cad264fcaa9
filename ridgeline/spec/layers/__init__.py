"""Keras layers in a spec, one file per family."""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, Weight, concrete

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

#: Every layer by its Keras name.
LAYERS: dict[str, type[Layer]] = {layer.type_name(): layer for layer in concrete(Layer)}

if TYPE_CHECKING:
    AnyLayer = Layer
else:
    AnyLayer = Annotated[Union[tuple(LAYERS.values())], Field(discriminator="type")]  # noqa: UP007

__all__ = ["LAYERS", "AnyLayer", "Layer", "Shape", "ShapeError", "Weight"]
