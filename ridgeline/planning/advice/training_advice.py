"""What training watches."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, rule

_PENALISED = ("loss", "val_loss")


@rule(
    "early-stopping-on-penalised-loss",
    "warning",
    "note, 1. Weight Regularization: the cost is added to the loss; Keras's val_loss holds it",
)
def penalised_loss(case: Case) -> Iterator[Finding]:
    """Early stopping by a loss that falls with the penalty alone."""
    stopping = case.spec.training.early_stopping
    if stopping is None or stopping.monitor not in _PENALISED or not case.penalties:
        return
    better = "val_data_loss" if case.rows.validation else "data_loss"
    message = (
        f"{stopping.monitor} holds the penalty, which falls while the weights shrink, whatever the"
        f" data say; watch {better}."
    )
    yield ("training", "early_stopping", "monitor"), message
