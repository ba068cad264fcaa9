"""What layers that wrap another one have in common."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import field_validator

from ridgeline.spec.layers.base import Layer, Penalised, Weight
from ridgeline.spec.regularization.policy import DropoutSite, Regularization


class Wrapper(Layer):
    """A layer around another, `layer`, whose penalties and constraints are its own.

    A subclass narrows `layer` to the types it can wrap. The name and the inputs are the wrapper's.
    """

    layer: Layer

    @field_validator("layer", check_fields=False)
    @classmethod
    def _nameless(cls, layer: Layer) -> Layer:
        if layer.name is not None or layer.inputs is not None:
            raise ValueError("expected neither name nor inputs; they belong to the wrapper")
        return layer

    def family(self) -> DropoutSite | None:
        """The wrapped layer's."""
        return self.layer.family()

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class but `layer`."""
        return {name: value for name, value in super().arguments().items() if name != "layer"}

    def penalties(self) -> Iterator[Penalised]:
        """Those of the wrapped layer, and its own."""
        yield from super().penalties()
        for penalised in self.layer.penalties():
            yield penalised._replace(argument=("layer", *penalised.argument))

    def with_policy(self, policy: Regularization, weights: Sequence[Weight]) -> Self:
        """Fill in the wrapped layer, and the wrapper's own arguments."""
        own = super().with_policy(policy, weights)
        return own.model_copy(update={"layer": self.layer.with_policy(policy, weights)})
