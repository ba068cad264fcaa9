"""Augmentation: random changes of images in training only.

AugMix is left out: Keras draws its chains with Python's `random` when it traces the epoch, so every
batch would get the same chains, and a resumed job other ones.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, render
from ridgeline.spec.schema import PositiveFloat

_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_SignedShare = Annotated[float, Field(ge=-1.0, le=1.0)]
Real = Annotated[float, Field(ge=-1e9, le=1e9)]


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"expected the lower bound first, received {pair[0]:g}, {pair[1]:g}")
    return pair


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"expected an odd size, received {size}")
    return size


_Factor = _Share | Annotated[tuple[_Share, _Share], AfterValidator(_ascending)]
"""The largest strength, or the smallest and the largest."""
_SignedFactor = _Share | Annotated[tuple[_SignedShare, _SignedShare], AfterValidator(_ascending)]
"""One number f, to draw from −f to f, or both bounds."""
_ZoomShare = Annotated[float, Field(ge=-0.99, le=1.0)]
_ZoomFactor = (
    Annotated[float, Field(ge=0.0, le=0.99)]
    | Annotated[tuple[_ZoomShare, _ZoomShare], AfterValidator(_ascending)]
)
"""Like _SignedFactor; −0.5 zooms in to half of the picture, 0.5 out by half."""
_Sigma = Annotated[float, Field(ge=0.01, le=1.0)]
_Bits = Annotated[int, Field(ge=1, le=8)]
_OddSize = Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]
Interpolation = Literal["nearest", "bilinear"]
_FillMode = Literal["reflect", "wrap", "constant", "nearest"]
PictureSize = Annotated[int, Field(ge=1, le=16_384)]
_Depth = Annotated[int, Field(ge=1, le=8)]


def _range(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] >= pair[1]:
        raise ValueError(f"expected the smaller value first, received {pair[0]:g}, {pair[1]:g}")
    return pair


ValueRange = Annotated[tuple[Real, Real], AfterValidator(_range)]
"""The smallest and the largest value of a picture, as the layer receives it."""


KERAS_VALUE_RANGE = (0.0, 255.0)


class Augmentation(Layer):
    """A layer that changes images randomly, placed before every layer with weights."""

    #: Accepted numbers of channels; None for any.
    channels: ClassVar[tuple[int, ...] | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        (shape,) = inputs
        if len(shape) != 3:  # noqa: PLR2004 - height, width, channels
            raise ShapeError(
                f"{self.type_name()} expects images of shape (height, width, channels), received"
                f" {render(shape)}"
            )
        if self.channels is not None and shape[-1] not in self.channels:
            expected = " or ".join(str(number) for number in self.channels)
            raise ShapeError(
                f"{self.type_name()} expects images with {expected} channels, received {shape[-1]}"
            )
        return shape


class ValueRanged(Layer):
    """A layer that must know the range of its input's values."""

    value_range: ValueRange | None = None
    """The smallest and the largest pixel value of the input; results are clipped to it. By default
    the range of the data set's pictures after scaling: 0 to 1 for `unit` and `minmax`, −3 to 3 for
    `standard`, 0 to 255 for bytes with `none`; after a Rescaling, its result."""

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, with Keras's range where none was filled in."""
        return super().arguments() | {"value_range": self.value_range or KERAS_VALUE_RANGE}


class _Colors(ValueRanged, Augmentation):
    """A change of pixel values."""


class _Moved(Augmentation):
    """A geometric change; areas that enter the picture are filled."""

    interpolation: Interpolation = "bilinear"
    fill_value: Real = 0.0
    """The value to fill with, for fill_mode `constant`."""


class _Filled(_Moved):
    """A geometric change with a choice of how to fill areas that enter the picture."""

    fill_mode: _FillMode = "reflect"


class _Cut(Augmentation):
    """A change of size."""

    height: PictureSize
    width: PictureSize

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → (self.height, self.width, channels)."""
        return (self.height, self.width, super().output_shape(*inputs)[-1])


# Geometry ----------------------------------------------------------------------------------------


class RandomFlip(Augmentation):
    """Mirrors a random half of the images."""

    type: Literal["RandomFlip"] = "RandomFlip"
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal_and_vertical"


class RandomRotation(_Filled):
    """Rotates by a random fraction of a full turn."""

    type: Literal["RandomRotation"] = "RandomRotation"
    factor: _SignedFactor


class RandomTranslation(_Filled):
    """Shifts by a random fraction of height and width."""

    type: Literal["RandomTranslation"] = "RandomTranslation"
    height_factor: _SignedFactor
    width_factor: _SignedFactor


class RandomZoom(_Filled):
    """Zooms in or out by a random factor."""

    type: Literal["RandomZoom"] = "RandomZoom"
    height_factor: _ZoomFactor
    width_factor: _ZoomFactor | None = None
    """By default the factor drawn for the height, which keeps proportions."""


class RandomShear(_Filled):
    """Shears along the rows and columns.

    In training only: Keras saves its own layer with factors that it does not load again.
    """

    type: Literal["RandomShear"] = "RandomShear"
    x_factor: _Factor = 0.0
    y_factor: _Factor = 0.0

    training_only = True


class RandomPerspective(_Moved):
    """Tilts the picture, with probability `factor`."""

    type: Literal["RandomPerspective"] = "RandomPerspective"
    factor: _Factor = 1.0
    scale: _Share = 1.0
    """How far the corners move at most, as a fraction of the picture."""


class RandomElasticTransform(_Colors):
    """Distorts the picture by a random smooth field (Simard et al., 2003)."""

    type: Literal["RandomElasticTransform"] = "RandomElasticTransform"
    factor: _Factor = 1.0
    scale: _Factor = 1.0
    """Strength of the field."""
    interpolation: Interpolation = "bilinear"
    fill_mode: _FillMode = "reflect"
    fill_value: Real = 0.0


class RandomCrop(_Cut):
    """Cuts out a random window, the same for the whole batch; outside training the center.

    Keras's own layer keeps the picture's size outside training, so the next layer would fail.
    """

    type: Literal["RandomCrop"] = "RandomCrop"

    in_prediction = "CenterCrop"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → the window's size."""
        cropped = super().output_shape(*inputs)
        if cropped[0] >= inputs[0][0] or cropped[1] >= inputs[0][1]:
            raise ShapeError(
                f"RandomCrop expects a window smaller than {render(inputs[0])} in height and width,"
                f" received {self.height} x {self.width}; use a smaller window, or Resizing"
            )
        return cropped


# Colors ------------------------------------------------------------------------------------------


class RandomBrightness(_Colors):
    """Adds a random fraction of the value range to all values."""

    type: Literal["RandomBrightness"] = "RandomBrightness"
    factor: _SignedFactor


class RandomContrast(_Colors):
    """Scales the distance of values from their mean by a random factor."""

    type: Literal["RandomContrast"] = "RandomContrast"
    factor: _Factor


class RandomHue(_Colors):
    """Rotates hues around the color wheel."""

    type: Literal["RandomHue"] = "RandomHue"
    factor: _Factor

    channels = (3,)


class RandomSaturation(_Colors):
    """Changes saturation."""

    type: Literal["RandomSaturation"] = "RandomSaturation"
    factor: _Factor

    channels = (3,)


class RandomSharpness(_Colors):
    """Blurs or sharpens."""

    type: Literal["RandomSharpness"] = "RandomSharpness"
    factor: _Factor


class RandomColorDegeneration(_Colors):
    """Blends colors with gray."""

    type: Literal["RandomColorDegeneration"] = "RandomColorDegeneration"
    factor: _Factor

    channels = (3,)


class RandomColorJitter(_Colors):
    """Changes brightness, contrast, saturation and hue, as far as they have a factor."""

    type: Literal["RandomColorJitter"] = "RandomColorJitter"
    brightness_factor: _SignedFactor | None = None
    contrast_factor: _Factor | None = None
    saturation_factor: _Factor | None = None
    hue_factor: _Factor | None = None

    channels = (3,)


class RandomPosterization(_Colors):
    """Reduces each value to a random number of bits, up to `factor`."""

    type: Literal["RandomPosterization"] = "RandomPosterization"
    factor: _Bits | Annotated[tuple[_Bits, _Bits], AfterValidator(_ascending)]


class RandomGrayscale(Augmentation):
    """Converts a fraction `factor` of the images to gray."""

    type: Literal["RandomGrayscale"] = "RandomGrayscale"
    factor: _Share = 0.5

    channels = (1, 3)


class RandomInvert(_Colors):
    """Inverts values: the smallest becomes the largest."""

    type: Literal["RandomInvert"] = "RandomInvert"
    factor: _Factor = 1.0


class Solarization(_Colors):
    """Adds a random amount, then inverts the values above a random threshold."""

    type: Literal["Solarization"] = "Solarization"
    addition_factor: _Factor = 0.0
    threshold_factor: _Factor = 0.0


class RandomGaussianBlur(_Colors):
    """Blurs by a Gaussian kernel."""

    type: Literal["RandomGaussianBlur"] = "RandomGaussianBlur"
    factor: _Factor = 1.0
    kernel_size: _OddSize | tuple[_OddSize, _OddSize] = 3
    """Height and width of the kernel, both odd."""
    sigma: _Sigma | Annotated[tuple[_Sigma, _Sigma], AfterValidator(_ascending)] = 1.0


class RandomErasing(_Colors):
    """Covers a random rectangle with noise or with `fill_value` (Zhong et al., 2020)."""

    type: Literal["RandomErasing"] = "RandomErasing"
    factor: _Factor = 1.0
    scale: _Factor = (0.02, 0.33)
    """The rectangle's fraction of the picture."""
    fill_value: Real | None = None
    """The value to cover with; null for noise."""


class Equalization(_Colors):
    """Equalizes each channel's histogram over the batch.

    In training only: Keras's own layer cannot be part of a model for prediction.
    """

    type: Literal["Equalization"] = "Equalization"
    bins: Annotated[int, Field(ge=2, le=65_536)] = 256

    training_only = True


# Combinations ------------------------------------------------------------------------------------


class RandAugment(_Colors):
    """Applies `num_ops` random changes in sequence (Cubuk et al., 2020)."""

    type: Literal["RandAugment"] = "RandAugment"
    num_ops: _Depth = 2
    factor: _Factor = 0.5
    interpolation: Interpolation = "bilinear"

    channels = (1, 3)


class _Mix(Augmentation):
    """Mixes each image with another image of the batch, and their targets likewise."""

    mixes_labels = True
    training_only = True


class MixUp(_Mix):
    """λ·x + (1 − λ)·x′ with λ from Beta(alpha, alpha) (Zhang et al., 2018)."""

    type: Literal["MixUp"] = "MixUp"
    alpha: PositiveFloat = 0.2


class CutMix(_Mix):
    """Pastes a rectangle of x′ into x and mixes targets by its area (Yun et al., 2019)."""

    type: Literal["CutMix"] = "CutMix"
    factor: _Factor = 1.0
