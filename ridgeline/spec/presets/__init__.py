"""The note's networks, one file each, with parameters to change."""

from typing import Annotated, get_args

from pydantic import Field

from ridgeline.spec.presets.base import Preset
from ridgeline.spec.presets.cifar10_cnn import Cifar10CNN
from ridgeline.spec.presets.imdb_mlp import ImdbMLP, ImdbMLPHalf
from ridgeline.spec.presets.vgg_like import VGGLike

_Any = ImdbMLP | ImdbMLPHalf | Cifar10CNN | VGGLike
AnyPreset = Annotated[_Any, Field(discriminator="preset")]

#: Every preset by its name.
PRESETS: dict[str, type[Preset]] = {
    preset.model_fields["preset"].default: preset for preset in get_args(_Any)
}

__all__ = ["PRESETS", "AnyPreset", "Preset"]
