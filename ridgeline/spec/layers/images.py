"""Layers that resize images or stretch their contrast, in training and in prediction."""

from typing import Literal

from pydantic import model_validator

from ridgeline.spec.layers.augmentation import Interpolation, PictureSize, Real, ValueRanged
from ridgeline.spec.layers.base import Layer, Shape, expect_rank


class _Image(Layer):
    """A layer over (height, width, channels)."""

    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        return inputs[0]


class _Sized(_Image):
    """A layer whose output has a given size."""

    height: PictureSize
    width: PictureSize

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → (self.height, self.width, channels)."""
        return (self.height, self.width, super().output_shape(*inputs)[-1])


class Resizing(_Sized):
    """Resizes images by interpolation."""

    type: Literal["Resizing"] = "Resizing"
    interpolation: Interpolation | Literal["bicubic", "lanczos3", "lanczos5"] = "bilinear"
    crop_to_aspect_ratio: bool = False
    """Whether to keep proportions by cropping."""
    pad_to_aspect_ratio: bool = False
    """Whether to keep proportions by padding with `fill_value`."""
    fill_value: Real = 0.0
    antialias: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> "Resizing":
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError(
                "expected crop_to_aspect_ratio or pad_to_aspect_ratio, received both; set one to"
                " false"
            )
        return self


class CenterCrop(_Sized):
    """Cuts out the center of the picture; a smaller picture is resized."""

    type: Literal["CenterCrop"] = "CenterCrop"


class AutoContrast(ValueRanged, _Image):
    """Stretches each channel of a picture to the whole value range."""

    type: Literal["AutoContrast"] = "AutoContrast"
