"""The charts of a job, by name."""

from typing import Literal

from ridgeline.spec.schema import Contract

ChartName = Literal["losses", "accuracy", "penalty", "weights", "learning_rate"]
Theme = Literal["light", "dark"]


class ChartEntry(Contract):
    """A chart of a job, and where it is."""

    name: ChartName
    title: str
    href: str
    """Its path: Vega-Lite, SVG or PNG by Accept."""
    available: bool
    """Whether there is something to draw yet; until then the chart says why there is not."""
