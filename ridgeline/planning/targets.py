"""How the target is encoded, and whether loss, metrics, output and data fit together."""

from ridgeline.planning.graph import Graph
from ridgeline.planning.loss_fit import TargetEncoding, misfits
from ridgeline.planning.output_range import Range, output_activation
from ridgeline.spec.dataset import DatasetShape
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Shape
from ridgeline.spec.layers.base import render
from ridgeline.spec.training import CLASS_METRICS, Loss, Training

_BINARY_CLASSES = 2
_SCORE_METRICS = frozenset({"auc", "precision", "recall"})
_CROSSENTROPIES = frozenset({"categorical_crossentropy", "binary_crossentropy"})
#: Metrics that need one output per class.
_COLUMN_METRICS = frozenset(
    {"top_k_categorical_accuracy", "categorical_crossentropy", "cosine_similarity"}
)
#: Metrics with a variant for class numbers.
_INDEX_METRICS = frozenset({"accuracy", "top_k_categorical_accuracy", "categorical_crossentropy"})
_PROBABILITIES = frozenset({"softmax", "sigmoid", "hard_sigmoid"})
_LOSS_AT = pointer("training", "loss")


def target_encoding(
    training: Training, data: DatasetShape, graph: Graph, targets: Range | None
) -> TargetEncoding:
    """The encoding of the target for this loss and output.

    `targets` is the range of real values; None if it is unknown. Raises SpecError if the loss does
    not fit the data, the output or its activation, or a metric cannot be measured on this target.
    """
    encoding = _encoding(training.loss, data, graph)
    _check_activation(training.loss, graph)
    _check_fit(training.loss, encoding, graph, targets)
    _check_metrics(training, encoding, graph)
    return encoding


def _encoding(loss: Loss, data: DatasetShape, graph: Graph) -> TargetEncoding:
    if data.classes is None:
        return _value_encoding(loss, graph.output.shape)
    shape, classes = graph.output.shape, data.classes
    binary = classes == _BINARY_CLASSES and shape == (1,)
    if binary and loss.reads in ("binary", "any"):
        return "binary"
    if shape == (classes,):
        return "index" if loss.reads == "index" else "one_hot"
    width = f"{render((classes,))}, one unit per class"
    if loss.reads in ("binary", "any") and classes == _BINARY_CLASSES:
        width = f"(1) or {width}"
    elif loss.reads == "binary":
        width += f" (the data has {classes} classes)"
    raise _loss_fault(loss, f"expects an output of shape {width}", graph)


def _value_encoding(loss: Loss, shape: Shape) -> TargetEncoding:
    if loss.reads != "any":
        detail = (
            f"{loss.name} expects classes, but the target is a real value; use mean_squared_error"
        )
        raise SpecError([Fault(pointer=_LOSS_AT, detail=detail, rule="loss-fits-target")])
    if shape != (1,):
        detail = f"{loss.name} expects an output of shape (1), received {render(shape)}"
        raise SpecError([Fault(pointer=_LOSS_AT, detail=detail, rule="loss-fits-output")])
    return "value"


def _loss_fault(loss: Loss, expectation: str, graph: Graph) -> SpecError:
    output = graph.output
    detail = f"{loss.name} {expectation}; the output {output.name!r} has {render(output.shape)}"
    return SpecError([Fault(pointer=_LOSS_AT, detail=detail, rule="loss-fits-output")])


def _check_activation(loss: Loss, graph: Graph) -> None:
    """Raise SpecError unless the output gives what the loss expects, probabilities or logits."""
    if loss.from_logits and not loss.takes_logits:
        at = pointer("training", "loss", "from_logits")
        detail = f"expected false: {loss.name} does not accept logits"
        raise SpecError([Fault(pointer=at, detail=detail, rule="loss-takes-logits")])
    activation = output_activation(graph)
    if loss.activation is None or activation is None:
        return
    if loss.from_logits and activation in _PROBABILITIES:
        fix = (
            f'expected a "linear" output, or from_logits false, since "{activation}" gives'
            " probabilities"
        )
    elif not loss.from_logits and activation not in _PROBABILITIES:
        logits = ", or set from_logits true" if loss.takes_logits else ""
        fix = (
            f"{loss.name} expects probabilities, but the activation of the output"
            f' {graph.output.name!r} is "{activation}"; use "{loss.activation}"{logits}'
        )
    else:
        return
    raise SpecError([Fault(pointer=_LOSS_AT, detail=fix, rule="loss-fits-activation")])


def _check_fit(loss: Loss, encoding: TargetEncoding, graph: Graph, targets: Range | None) -> None:
    """Raise SpecError if nothing could be learned."""
    for misfit in misfits(loss, encoding, graph, targets):
        if misfit.fatal:
            rule = f"loss-fits-{misfit.about}"
            raise SpecError([Fault(pointer=_LOSS_AT, detail=misfit.message, rule=rule)])


def _check_metrics(training: Training, encoding: TargetEncoding, graph: Graph) -> None:
    faults = []
    for index, metric in enumerate(training.metrics):
        expected = _metric_expectation(metric, encoding)
        if expected is None:
            expected = _output_expectation(metric, training.loss, encoding, graph)
        if expected is not None:
            detail = f"{metric} expects {expected}"
            at = pointer("training", "metrics", index)
            faults.append(Fault(pointer=at, detail=detail, rule="metric-fits-target"))
        elif metric in training.metrics[:index]:
            at = pointer("training", "metrics", index)
            detail = f"expected each metric once, received {metric} again; remove it"
            faults.append(Fault(pointer=at, detail=detail, rule="unique"))
    if faults:
        raise SpecError(faults)


def _metric_expectation(metric: str, encoding: TargetEncoding) -> str | None:
    """What `metric` expects of the target; None if it fits."""
    if metric in CLASS_METRICS and encoding == "value":
        return "classes; for a real value use mean_absolute_error or r2_score"
    if metric in _COLUMN_METRICS and encoding == "binary":
        return "one output per class"
    if metric == "r2_score" and encoding != "value":
        return "a real-valued target"
    if metric not in _INDEX_METRICS and encoding == "index":
        return "one-hot targets; use categorical_crossentropy instead of the sparse one"
    return None


def _output_expectation(
    metric: str, loss: Loss, encoding: TargetEncoding, graph: Graph
) -> str | None:
    """What `metric` expects of the output; None if it fits."""
    probabilities = _gives_probabilities(loss, graph)
    # One logit or margin can be compared with a threshold of 0; F1's threshold is above 0.
    margin = encoding == "binary" and (loss.from_logits or loss.reads == "binary")
    if metric in _SCORE_METRICS and not (probabilities or margin):
        return 'an output that gives probabilities; end it with "softmax" or "sigmoid"'
    if metric == "f1_score" and encoding == "binary" and not probabilities:
        return 'an output that gives probabilities; end it with "sigmoid"'
    if metric in _CROSSENTROPIES and not (probabilities or loss.from_logits):
        return 'an output that gives probabilities; end it with "softmax" or "sigmoid"'
    return None


def _gives_probabilities(loss: Loss, graph: Graph) -> bool:
    activation = output_activation(graph)
    if activation is None:
        return loss.activation is not None and not loss.from_logits
    return activation in _PROBABILITIES
