"""Layers around another layer. Imported last, so that every layer they may hold is known."""

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
    StepLayer = _one_of([Flatten, *(each for each in concrete(Layer) if each.dropout_site)])
    _kernels = [each for each in concrete(KernelLayer) if each.dropout_site]
    KernelMatrixLayer = _one_of([*_kernels, EinsumDense, Embedding])


class Bidirectional(Wrapper):
    """A recurrent layer forwards and its twin backwards, merged (Schuster & Paliwal, 1997)."""

    type: Literal["Bidirectional"] = "Bidirectional"
    layer: RecurrentLayer
    merge_mode: Literal["concat", "sum", "mul", "ave"] = "concat"

    @field_validator("layer")
    @classmethod
    def _forwards(cls, layer: Recurrent) -> Recurrent:
        if layer.go_backwards:
            raise ValueError("expected go_backwards false: the twin goes backwards")
        return layer

    def output_shape(self, *inputs: Shape) -> Shape:
        """The recurrent layer's output, its last axis twice as long with `concat`."""
        shape = self.layer.output_shape(*inputs)
        return (*shape[:-1], 2 * shape[-1]) if self.merge_mode == "concat" else shape

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The weights of both: `forward_layer/kernel` and so on, then `backward_layer/kernel`."""
        return tuple(
            weight._replace(name=f"{part}/{weight.name}")
            for part in ("forward_layer", "backward_layer")
            for weight in self.layer.weights(*inputs)
        )

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """The recurrent layer's."""
        return self.layer.masking(masked, *inputs)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Both ways."""
        return 2 * self.layer.multiply_adds(*inputs)

    def activations(self, *inputs: Shape) -> int:
        """Both ways, and merged."""
        return 2 * self.layer.activations(*inputs) + super().activations(*inputs)


class TimeDistributed(Wrapper):
    """One layer on every step of a sequence: a dense or convolution layer, a pooling or Flatten."""

    type: Literal["TimeDistributed"] = "TimeDistributed"
    layer: StepLayer

    def output_shape(self, *inputs: Shape) -> Shape:
        """(time, …) → (time, what the layer makes of …)."""
        steps, step = self._steps(inputs[0])
        return (steps, *self.layer.output_shape(step))

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The layer's, once."""
        return self.layer.weights(inputs[0][1:])

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Keras hands the mask on as it is, whatever the layer makes of the positions."""
        del masked
        return "passed" if self.output_shape(*inputs)[:-1] == inputs[0][:-1] else "refused"

    def multiply_adds(self, *inputs: Shape) -> int:
        """The layer's, at every step."""
        return inputs[0][0] * self.layer.multiply_adds(inputs[0][1:])

    def activations(self, *inputs: Shape) -> int:
        """The layer's, at every step."""
        return inputs[0][0] * self.layer.activations(inputs[0][1:])

    def _steps(self, sequence: Shape) -> tuple[int, Shape]:
        if len(sequence) < 2:  # noqa: PLR2004 - time and at least one more
            raise ShapeError(
                f"TimeDistributed expects an input of shape (time, …), received {render(sequence)}"
            )
        # Keras writes the steps out one by one.
        if sequence[0] > LONGEST_UNROLLED:
            raise ShapeError(
                f"TimeDistributed expects at most {LONGEST_UNROLLED} time steps, received"
                f" {sequence[0]}; Dense alone works on every step as it is"
            )
        return sequence[0], sequence[1:]


class SpectralNormalization(Wrapper):
    """Divides the layer's kernel by its largest singular value at every step of training.

    The value is found by power iteration (Miyato et al., 2018). The layer is one with a `kernel`,
    or an Embedding.
    """

    type: Literal["SpectralNormalization"] = "SpectralNormalization"
    layer: KernelMatrixLayer
    power_iterations: Annotated[int, Field(ge=1, le=100)] = 1

    # Keras says that it drops the mask, and hands it on where the precision is not mixed.
    mask_use = "refused"

    @field_validator("layer")
    @classmethod
    def _unmasked(cls, layer: Layer) -> Layer:
        if layer.makes_mask():
            raise ValueError("expected mask_zero false: Keras does not hand the mask on reliably")
        return layer

    def output_shape(self, *inputs: Shape) -> Shape:
        """The layer's."""
        return self.layer.output_shape(*inputs)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The layer's kernel, the iteration's vector (1, last axis of it), the layer's others."""
        kernel, *others = self.layer.weights(*inputs)
        vector = Weight("vector_u", (1, kernel.shape[-1]), trainable=False)
        return (kernel, vector, *others)

    def activations(self, *inputs: Shape) -> int:
        """The layer's."""
        return self.layer.activations(*inputs)
