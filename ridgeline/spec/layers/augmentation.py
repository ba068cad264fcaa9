"""Augmentation: random changes of images in training. Outside training they pass as they are.

AugMix is left out: Keras draws its chains by Python's `random` when the epoch is traced, so that
every batch would go through the same ones, and a resumed job through others.
"""

from typing import Annotated, ClassVar, Literal

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
"""How strongly at most, or at least and at most."""
_SignedFactor = _Share | Annotated[tuple[_SignedShare, _SignedShare], AfterValidator(_ascending)]
"""One number f for what is drawn from −f to f, or both bounds."""
_ZoomShare = Annotated[float, Field(ge=-0.99, le=1.0)]
_ZoomFactor = (
    Annotated[float, Field(ge=0.0, le=0.99)]
    | Annotated[tuple[_ZoomShare, _ZoomShare], AfterValidator(_ascending)]
)
"""As _SignedFactor; −0.5 zooms in to half of the picture, 0.5 out to half as much again."""
_Sigma = Annotated[float, Field(ge=0.01, le=1.0)]
_Bits = Annotated[int, Field(ge=1, le=8)]
_OddSize = Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]
Interpolation = Literal["nearest", "bilinear"]
_FillMode = Literal["reflect", "wrap", "constant", "nearest"]
PictureSize = Annotated[int, Field(ge=1, le=16_384)]
_Depth = Annotated[int, Field(ge=1, le=8)]


def _range(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] >= pair[1]:
        raise ValueError(f"expected the least value first, received {pair[0]:g}, {pair[1]:g}")
    return pair


ValueRange = Annotated[tuple[Real, Real], AfterValidator(_range)]
"""The least and the greatest value of a picture as it comes to the layer."""


class Augmentation(Layer):
    """A layer that changes images: it stands between the data and the first layer with weights."""

    #: How many channels it can take; None for any number.
    channels: ClassVar[tuple[int, ...] | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        (shape,) = inputs
        if len(shape) != 3:  # noqa: PLR2004 - height, width, channels
            raise ShapeError(
                f"{self.type_name()} is for images, of shape (height, width, channels); received"
                f" {render(shape)}"
            )
        if self.channels is not None and shape[-1] not in self.channels:
            wanted = " or ".join(str(number) for number in self.channels)
            raise ShapeError(
                f"{self.type_name()} expects images of {wanted} channels, received {shape[-1]}"
            )
        return shape


class _Colours(Augmentation):
    """A change of values, which lie in `value_range`."""

    value_range: ValueRange = (0, 255)


class _Moved(Augmentation):
    """A change of place; what comes into the picture is filled in."""

    interpolation: Interpolation = "bilinear"
    fill_value: Real = 0.0
    """For fill_mode `constant`."""


class _Filled(_Moved):
    """A change of place with a choice of what comes into the picture."""

    fill_mode: _FillMode = "reflect"


class _Cut(Augmentation):
    """A change of size."""

    height: PictureSize
    width: PictureSize

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → the size asked for."""
        return (self.height, self.width, super().output_shape(*inputs)[-1])


# Places ------------------------------------------------------------------------------------------


class RandomFlip(Augmentation):
    """Mirrors half of the images."""

    type: Literal["RandomFlip"] = "RandomFlip"
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal_and_vertical"


class RandomRotation(_Filled):
    """Turns by a random share of a full turn."""

    type: Literal["RandomRotation"] = "RandomRotation"
    factor: _SignedFactor


class RandomTranslation(_Filled):
    """Shifts by a random share of height and width."""

    type: Literal["RandomTranslation"] = "RandomTranslation"
    height_factor: _SignedFactor
    width_factor: _SignedFactor


class RandomZoom(_Filled):
    """Zooms in or out."""

    type: Literal["RandomZoom"] = "RandomZoom"
    height_factor: _ZoomFactor
    width_factor: _ZoomFactor | None = None
    """By default what is drawn for the height, which keeps proportions."""


class RandomShear(_Filled):
    """Slants rows and columns."""

    type: Literal["RandomShear"] = "RandomShear"
    x_factor: _Factor = 0.0
    y_factor: _Factor = 0.0


class RandomPerspective(_Moved):
    """Tilts the picture, with probability `factor`."""

    type: Literal["RandomPerspective"] = "RandomPerspective"
    factor: _Factor = 1.0
    scale: _Share = 1.0
    """How far the corners move at most."""


class RandomElasticTransform(_Colours):
    """Bends the picture by a random smooth field (Simard et al., 2003)."""

    type: Literal["RandomElasticTransform"] = "RandomElasticTransform"
    factor: _Factor = 1.0
    scale: _Factor = 1.0
    """How strong the field is."""
    interpolation: Interpolation = "bilinear"
    fill_mode: _FillMode = "reflect"
    fill_value: Real = 0.0


class RandomCrop(_Cut):
    """A random window, one for the whole batch; the middle outside training.

    Keras's own leaves the picture as large as it was outside training, and the next layer fails.
    """

    type: Literal["RandomCrop"] = "RandomCrop"

    in_prediction = "CenterCrop"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → the window's size."""
        cropped = super().output_shape(*inputs)
        if cropped[0] >= inputs[0][0] or cropped[1] >= inputs[0][1]:
            raise ShapeError(
                f"RandomCrop expects a window smaller than {render(inputs[0])} both ways, received"
                f" {self.height} x {self.width}: there would be nothing to choose"
            )
        return cropped


# Colours -----------------------------------------------------------------------------------------


class RandomBrightness(_Colours):
    """Adds a random share of the range to all values."""

    type: Literal["RandomBrightness"] = "RandomBrightness"
    factor: _SignedFactor


class RandomContrast(_Colours):
    """Draws values away from or towards their mean."""

    type: Literal["RandomContrast"] = "RandomContrast"
    factor: _Factor


class RandomHue(_Colours):
    """Turns colours around the wheel."""

    type: Literal["RandomHue"] = "RandomHue"
    factor: _Factor

    channels = (3,)


class RandomSaturation(_Colours):
    """Makes colours paler or stronger."""

    type: Literal["RandomSaturation"] = "RandomSaturation"
    factor: _Factor

    channels = (3,)


class RandomSharpness(_Colours):
    """Blurs or sharpens."""

    type: Literal["RandomSharpness"] = "RandomSharpness"
    factor: _Factor


class RandomColorDegeneration(_Colours):
    """Draws colours towards grey."""

    type: Literal["RandomColorDegeneration"] = "RandomColorDegeneration"
    factor: _Factor

    channels = (3,)


class RandomColorJitter(_Colours):
    """Brightness, contrast, saturation and hue at once, those that have a factor."""

    type: Literal["RandomColorJitter"] = "RandomColorJitter"
    brightness_factor: _SignedFactor | None = None
    contrast_factor: _Factor | None = None
    saturation_factor: _Factor | None = None
    hue_factor: _Factor | None = None

    channels = (3,)


class RandomPosterization(_Colours):
    """Keeps a random number of bits of each value, up to `factor`."""

    type: Literal["RandomPosterization"] = "RandomPosterization"
    factor: _Bits | Annotated[tuple[_Bits, _Bits], AfterValidator(_ascending)]


class RandomGrayscale(Augmentation):
    """Takes the colour out of a share `factor` of the images."""

    type: Literal["RandomGrayscale"] = "RandomGrayscale"
    factor: _Share = 0.5

    channels = (1, 3)


class RandomInvert(_Colours):
    """Turns values around: the least becomes the greatest."""

    type: Literal["RandomInvert"] = "RandomInvert"
    factor: _Factor = 1.0


class Solarization(_Colours):
    """Adds a random amount, then turns around the values above a random threshold."""

    type: Literal["Solarization"] = "Solarization"
    addition_factor: _Factor = 0.0
    threshold_factor: _Factor = 0.0


class RandomGaussianBlur(_Colours):
    """Blurs."""

    type: Literal["RandomGaussianBlur"] = "RandomGaussianBlur"
    factor: _Factor = 1.0
    kernel_size: _OddSize | tuple[_OddSize, _OddSize] = 3
    """Odd; height and width."""
    sigma: _Sigma | Annotated[tuple[_Sigma, _Sigma], AfterValidator(_ascending)] = 1.0


class RandomErasing(_Colours):
    """Covers a random rectangle with noise or with `fill_value` (Zhong et al., 2020)."""

    type: Literal["RandomErasing"] = "RandomErasing"
    factor: _Factor = 1.0
    scale: _Factor = (0.02, 0.33)
    """The rectangle's share of the picture."""
    fill_value: Real | None = None


class Equalization(_Colours):
    """Makes each channel's histogram over the batch flat.

    In training only: Keras's own cannot be part of a model that predicts.
    """

    type: Literal["Equalization"] = "Equalization"
    bins: Annotated[int, Field(ge=2, le=65_536)] = 256

    training_only = True


# Several at once ---------------------------------------------------------------------------------


class RandAugment(_Colours):
    """`num_ops` random changes after another (Cubuk et al., 2020)."""

    type: Literal["RandAugment"] = "RandAugment"
    num_ops: _Depth = 2
    factor: _Factor = 0.5
    interpolation: Interpolation = "bilinear"

    channels = (1, 3)


class _Mix(Augmentation):
    """A mixture of each image with another one of the batch, and of their targets alike."""

    mixes_labels = True
    training_only = True


class MixUp(_Mix):
    """λ·x + (1 − λ)·x′ with λ from Beta(alpha, alpha) (Zhang et al., 2018)."""

    type: Literal["MixUp"] = "MixUp"
    alpha: PositiveFloat = 0.2


class CutMix(_Mix):
    """A rectangle of x′ in x, targets by its share of the picture (Yun et al., 2019)."""

    type: Literal["CutMix"] = "CutMix"
    factor: _Factor = 1.0
