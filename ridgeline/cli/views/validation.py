"""What a spec becomes."""

from collections.abc import Iterator

from rich.console import RenderableType

from ridgeline.api.job import Validation
from ridgeline.cli.figures import plural, size
from ridgeline.cli.printing import styled
from ridgeline.cli.views.facts import facts, headed
from ridgeline.cli.views.jobs import advice_lines
from ridgeline.cli.views.networks import data_in_words, network_in_words, penalties_in_words


def validation_page(validation: Validation) -> Iterator[RenderableType]:
    """The network in words, its size, and advice."""
    resolved, parameters = validation.resolved, validation.parameters
    yield styled("The spec can be trained.", "green")
    yield facts(
        {
            "data": data_in_words(resolved),
            "network": network_in_words(resolved, resolved),
            "parameters": f"{parameters.total:,} ({parameters.trainable:,} trainable)",
            "memory": f"about {size(validation.memory_bytes)}",
            "penalties": penalties_in_words(validation.penalties),
            "training": plural(resolved.training.epochs, "epoch"),
        }
    )
    if validation.advice:
        yield headed("Advice", *advice_lines(validation.advice))
