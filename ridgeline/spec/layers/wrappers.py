"""Layers around another layer. Imported last, when every layer that they can wrap is known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, field_validator

from ridgeline.spec.layers.base import (
    Layer,
    MaskUse,
    Shape,
    ShapeError,
    Weight,
    concrete,
    render,
)
from ridgeline.spec.layers.core import Embedding
from ridgeline.spec.layers.einsum import EinsumDense
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.layers.recurrent import LONGEST_UNROLLED, Recurrent
from ridgeline.spec.layers.reshaping import Flatten
from ridgeline.spec.layers.wrapper import Wrapper


def _one_of(layers: list[type[Layer]]) -> Any:
    return Annotated[Union[tuple(layers)], Field(discriminator="type")]  # noqa: UP007


if TYPE_CHECKING:
    RecurrentLayer = Recurrent
    StepLayer = Layer
    KernelMatrixLayer = Layer
else:
    RecurrentLayer = _one_of(concrete(Recurrent))
    StepLayer = _one_of([Flatten, *(kind for kind in concrete(Layer) if kind.dropout_site)])
    _kernels = [kind for kind in concrete(KernelLayer) if kind.dropout_site]
    KernelMatrixLayer = _one_of([*_kernels, EinsumDense, Embedding])


class Bidirectional(Wrapper):
    """A recurrent layer and its backward copy, merged (Schuster & Paliwal, 1997)."""

    type: Literal["Bidirectional"] = "Bidirectional"
    layer: RecurrentLayer
    merge_mode: Literal["concat", "sum", "mul", "ave"] = "concat"

    @field_validator("layer")
    @classmethod
    def _forwards(cls, layer: Recurrent) -> Recurrent:
        if layer.go_backwards:
            raise ValueError(
                "expected go_backwards false: Bidirectional adds the backward copy itself"
            )
        return layer

    def output_shape(self, *inputs: Shape) -> Shape:
        """The recurrent layer's output shape, with twice the last axis for `concat`."""
        shape = self.layer.output_shape(*inputs)
        return (*shape[:-1], 2 * shape[-1]) if self.merge_mode == "concat" else shape

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The weights of both layers: `forward_layer/kernel` …, then `backward_layer/kernel` …."""
        return tuple(
            weight._replace(name=f"{part}/{weight.name}")
            for part in ("forward_layer", "backward_layer")
            for weight in self.layer.weights(*inputs)
        )

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Same as the recurrent layer."""
        return self.layer.masking(masked, *inputs)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Twice the recurrent layer's."""
        return 2 * self.layer.multiply_adds(*inputs)

    def activations(self, *inputs: Shape) -> int:
        """Twice the recurrent layer's, and the merged output."""
        return 2 * self.layer.activations(*inputs) + super().activations(*inputs)


class TimeDistributed(Wrapper):
    """Applies a dense, convolution, pooling or Flatten layer to every step of a sequence."""

    type: Literal["TimeDistributed"] = "TimeDistributed"
    layer: StepLayer

    def output_shape(self, *inputs: Shape) -> Shape:
        """(time, …) → (time, the layer's output shape for …)."""
        steps, step = self._steps(inputs[0])
        return (steps, *self.layer.output_shape(step))

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The layer's weights, shared by all steps."""
        return self.layer.weights(inputs[0][1:])

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Keras passes the mask on unchanged, even if the layer changes the positions."""
        del masked
        return "passed" if self.output_shape(*inputs)[:-1] == inputs[0][:-1] else "rejected"

    def multiply_adds(self, *inputs: Shape) -> int:
        """The layer's, for every step."""
        return inputs[0][0] * self.layer.multiply_adds(inputs[0][1:])

    def activations(self, *inputs: Shape) -> int:
        """The layer's, for every step."""
        return inputs[0][0] * self.layer.activations(inputs[0][1:])

    def _steps(self, sequence: Shape) -> tuple[int, Shape]:
        if len(sequence) < 2:  # noqa: PLR2004 - time and at least one more
            raise ShapeError(
                f"TimeDistributed expects an input of shape (time, …), received {render(sequence)}"
            )
        # Keras unrolls the steps.
        if sequence[0] > LONGEST_UNROLLED:
            raise ShapeError(
                f"TimeDistributed expects at most {LONGEST_UNROLLED} time steps, received"
                f" {sequence[0]}; shorten the sequence, or use Dense, which applies to every step"
                " without a wrapper"
            )
        return sequence[0], sequence[1:]


class SpectralNormalization(Wrapper):
    """Divides the layer's kernel by its largest singular value at every training step.

    The value is computed by power iteration (Miyato et al., 2018). The layer must have a `kernel`,
    or be an Embedding.
    """

    type: Literal["SpectralNormalization"] = "SpectralNormalization"
    layer: KernelMatrixLayer
    power_iterations: Annotated[int, Field(ge=1, le=100)] = 1

    # Keras documents that it drops the mask, but passes it on unless the precision is mixed.
    mask_use = "rejected"

    @field_validator("layer")
    @classmethod
    def _unmasked(cls, layer: Layer) -> Layer:
        if layer.makes_mask():
            raise ValueError(
                "expected mask_zero false: Keras does not pass the mask on reliably through"
                " SpectralNormalization"
            )
        return layer

    def output_shape(self, *inputs: Shape) -> Shape:
        """Same as the layer."""
        return self.layer.output_shape(*inputs)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The layer's kernel, the iteration's vector (1, kernel's last axis), its other weights."""
        kernel, *others = self.layer.weights(*inputs)
        vector = Weight("vector_u", (1, kernel.shape[-1]), trainable=False)
        return (kernel, vector, *others)

    def activations(self, *inputs: Shape) -> int:
        """Same as the layer."""
        return self.layer.activations(*inputs)
