"""Advice on training: combined techniques, what callbacks monitor, lost padding masks."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, dropout_rates, rule
from ridgeline.planning.checks.layers import lost_masks
from ridgeline.planning.loss_fit import misfits
from ridgeline.planning.output_range import target_range
from ridgeline.spec.regularization.regularizers import ACTIVITY, PenaltyTerm
from ridgeline.spec.training import KERNELS, Optimizer

_PENALIZED = ("loss", "val_loss")


@rule("one-technique-only", "info", "note, last remark: use both types of regularization")
def one_only(case: Case) -> Iterator[Finding]:
    """Dropout without L2, or L2 without dropout. Weight decay counts as L2, as in the note."""
    drops = any(rate > 0 for node in case.graph.nodes for rate in dropout_rates(node.layer))
    shrinks = _shrinks(case)
    if drops != shrinks:
        used, missing = ("dropout", "L2") if drops else ("L2", "dropout")
        yield (
            ("regularization",),
            f"Only {used} is used; combining it with {missing} is recommended.",
        )


def _shrinks(case: Case) -> bool:
    by_penalty = any(term.kind == "l2" and term.weight != ACTIVITY for term in case.penalties)
    return by_penalty or bool(case.spec.training.optimizer.weight_decay)


@rule(
    "l2-with-weight-decay",
    "warning",
    "Loshchilov & Hutter, 2019: Decoupled Weight Decay Regularization",
)
def twice(case: Case) -> Iterator[Finding]:
    """An L2 penalty and the optimizer's weight decay on the same weights."""
    optimizer = case.spec.training.optimizer
    penalized = any(term.kind == "l2" and _decays(term, optimizer) for term in case.penalties)
    if not penalized or not optimizer.weight_decay:
        return
    other = (
        ""
        if optimizer.name == "sgd"
        else f" They differ with {optimizer.name}, which rescales the penalty's gradient like the"
        " data's, so weights with large gradients are penalized less; it does not rescale the"
        " decay."
    )
    message = (
        f"The L2 penalty and weight_decay {optimizer.weight_decay:g} both shrink the same weights;"
        f" use one of them.{other}"
    )
    yield ("training", "optimizer", "weight_decay"), message


def _decays(term: PenaltyTerm, optimizer: Optimizer) -> bool:
    """Whether weight decay acts on the penalized weight too."""
    if optimizer.weight_decay_on == "all":
        return term.weight != ACTIVITY
    return term.weight.rpartition("/")[2] in KERNELS


@rule(
    "early-stopping-on-penalised-loss",
    "warning",
    "note, 1. Weight Regularization: the cost is added to the loss; Keras's val_loss holds it",
)
def penalized_loss(case: Case) -> Iterator[Finding]:
    """Early stopping by a loss that includes the penalty."""
    stopping = case.spec.training.early_stopping
    if stopping is None or stopping.monitor not in _PENALIZED or not case.penalties:
        return
    better = "val_data_loss" if case.rows.validation else "data_loss"
    message = (
        f"{stopping.monitor} includes the penalty, which falls as weights shrink, even if the model"
        f" does not fit the data better; monitor {better}."
    )
    yield ("training", "early_stopping", "monitor"), message


@rule("loss-and-activation", "warning", "Keras, losses: what each expects of y_pred")
def loss_and_activation(case: Case) -> Iterator[Finding]:
    """A loss that the output's activation can hardly minimize."""
    yield from _misfits(case, "activation")


@rule("loss-and-target", "warning", "Keras, losses: what each expects of y_true")
def loss_and_target(case: Case) -> Iterator[Finding]:
    """A loss that targets in the data set distort."""
    yield from _misfits(case, "target")


def _misfits(case: Case, about: str) -> Iterator[Finding]:
    targets = target_range(case.dataset)
    for misfit in misfits(case.spec.training.loss, case.encoding, case.graph, targets):
        if misfit.about == about:
            message = misfit.message
            yield ("training", "loss"), f"{message[:1].upper()}{message[1:]}."


@rule("mask-lost", "warning", "Keras guide, Understanding masking & padding")
def mask_lost(case: Case) -> Iterator[Finding]:
    """A layer that ignores the mask of an Embedding with mask_zero."""
    for node in lost_masks(case.graph):
        message = (
            f"{node.layer.type_name()} ignores the padding mask: from here on padding counts like"
            " any token. Recurrent layers, attention and GlobalAveragePooling1D use the mask."
        )
        yield case.path_to(node), message
