"""The base of layers that wrap another one."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import field_validator

from ridgeline.spec.layers.base import Layer, Penalized, Weight
from ridgeline.spec.regularization.policy import DropoutSite, Regularization


class Wrapper(Layer):
    """A layer around another, `layer`, which has its own penalties and constraints.

    A subclass narrows `layer` to the types it can wrap. Name and inputs belong to the wrapper.
    """

    layer: Layer

    @field_validator("layer", check_fields=False)
    @classmethod
    def _nameless(cls, layer: Layer) -> Layer:
        if layer.name is not None or layer.inputs is not None:
            raise ValueError(
                "expected neither name nor inputs; set them on the wrapper, not on its layer"
            )
        return layer

    def family(self) -> DropoutSite | None:
        """The wrapped layer's."""
        return self.layer.family()

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, without `layer`."""
        return {name: value for name, value in super().arguments().items() if name != "layer"}

    def penalties(self) -> Iterator[Penalized]:
        """The wrapper's penalties, then those of the wrapped layer."""
        yield from super().penalties()
        for penalized in self.layer.penalties():
            yield penalized._replace(argument=("layer", *penalized.argument))

    def with_policy(self, policy: Regularization, weights: Sequence[Weight]) -> Self:
        """Apply the policy to the wrapper's own arguments and to the wrapped layer."""
        own = super().with_policy(policy, weights)
        return own.model_copy(update={"layer": self.layer.with_policy(policy, weights)})


def with_wrapped(layer: Layer) -> Iterator[Layer]:
    """The layer, and the layer that it wraps, if any."""
    yield layer
    if isinstance(layer, Wrapper):
        yield from with_wrapped(layer.layer)
