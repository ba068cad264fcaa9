"""What every preset says of itself."""

from typing import Any, ClassVar

from ridgeline.spec.layers import Layer
from ridgeline.spec.schema import Contract


class Preset(Contract):
    """A network by its name: it stands in a spec where `layers` would.

    A new preset is one subclass: its parameters with bounds, its layers, and the rest of a job.
    """

    preset: str

    #: Where in the note it comes from.
    source: ClassVar[str]
    #: The other sections of a job that trains it, as a spec says them.
    job: ClassVar[dict[str, Any]]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers it stands for."""
        raise NotImplementedError
