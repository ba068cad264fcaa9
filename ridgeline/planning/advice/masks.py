"""Where the mask over padding ends."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, rule
from ridgeline.planning.checks.sequences import lost_masks


@rule("mask-lost", "warning", "Keras guide, Understanding masking & padding")
def mask_lost(case: Case) -> Iterator[Finding]:
    """A layer that takes no mask behind an Embedding with mask_zero."""
    for node in lost_masks(case.graph):
        message = (
            f"{node.layer.type_name()} takes no mask: from here on padding counts like any token."
            " A recurrent layer, attention or GlobalAveragePooling1D passes over it."
        )
        yield case.path_to(node), message
