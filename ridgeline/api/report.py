"""The report of a trained job: verdict, evidence, weights, suggested changes."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ridgeline.spec.job_spec import Patch
from ridgeline.spec.schema import Contract

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Verdict(StrEnum):
    """What the curves of a run show."""

    OVERFIT = "overfit"  #: it memorized the training rows and does worse on new ones
    UNDERFIT = "underfit"  #: it has barely learned the training rows
    GOOD = "good"  #: it learned, and does about as well on the validation rows
    DIVERGED = "diverged"  #: the loss grew or became infinite
    UNCLEAR = "unclear"  #: too little was measured, or the evidence is contradictory


class Evidence(Contract):
    """One fact for or against a verdict."""

    id: str
    message: str
    """A sentence with the measured numbers."""
    series: tuple[str, ...]
    """The series it was read from."""
    epochs: tuple[int, ...]
    """The epochs it compares."""


class Raise(Contract):
    """An automatic raise of dropout or L2 during training, on overfitting."""

    epoch: Annotated[int, Field(ge=1)]
    """The epoch after which it was raised."""
    restored_epoch: Annotated[int, Field(ge=1)]
    """The epoch whose weights training continued from."""
    what: Annotated[str, Field(pattern=r"^(dropout|l2)$")]
    before: float
    """The dropout rate, or the L2 strength in the spec's scaling."""
    after: float


class PenaltyShare(Contract):
    """One penalty at the end of training."""

    layer: str
    weight: str
    """The penalized weight, such as `kernel`, or `activity`."""
    kind: str
    """`l1`, `l2` or `orthogonal`."""
    value: float
    """Its contribution to the loss: the mean over the steps of the last epoch."""
    share: float | None
    """value / loss of the same epoch; null if the loss is not positive."""


class Histogram(Contract):
    """Distribution of a weight's elements, in bins of equal width from minimum to maximum."""

    edges: tuple[float, ...]
    """bins + 1 numbers of seven digits. A bin includes its left edge, the last also its right."""
    counts: tuple[int, ...]


class Shrinkage(Contract):
    """How far one gradient descent step moves a weight toward zero by its penalties alone.

    w ← (1 − factor)·w − step·sign(w), with the last epoch's learning rate η, the Keras
    coefficients c₁ and c₂ and the decoupled weight decay d:

        factor = 2·η·c₂ + η·d          step = η·c₁

    With the textbook's λ, 2·c₂ = λ/n, so factor = η·λ/n as in the note. Exact for SGD without
    momentum; momentum m makes both 1/(1 − m) times as large in the long run. Adaptive optimizers
    rescale the penalty's gradient like the loss's, so there only η·d is exact.
    """

    factor: float
    """The fraction of itself that a weight loses in a step; at 1 or more the step erases it."""
    step: float
    """What L1 subtracts from |w| in a step."""


class WeightReport(Contract):
    """One trained weight.

    An element is nearly zero where |w| ≤ NEARLY_ZERO·s, with s = max(√mean(w²), √(2/(fan_in +
    fan_out))): a hundredth of the weight's typical size now or at initialization (Glorot & Bengio,
    2010), whichever is larger. So a weight shrunk as a whole by a penalty counts too. Weights of
    one axis (biases, gamma, beta) have no fan; their s is √mean(w²).

    A unit is one index of the last axis of a weight with two axes or more: a column of a Dense
    kernel, a filter of a convolution. It is cancelled if all its elements are zero, and negligible
    if all are nearly zero (cancelled ones included): whatever its input, it outputs only its bias
    (the note: "this cancels the effect of this neuron").
    """

    layer: str
    name: str
    """The weight's name in its layer, such as `kernel`."""
    shape: tuple[int, ...]
    size: int
    l1_norm: float
    """Σ|w|."""
    l2_norm: float
    """√Σw²."""
    max_unit_norm: float | None
    """The largest √Σw² of a unit, over all axes but the last; null for weights of one axis."""
    zero_share: Share
    """Fraction of elements that are exactly zero."""
    nearly_zero_share: Share
    """Fraction of elements that are nearly zero, exact zeros included."""
    units: int | None
    """Number of units; null for weights of one axis."""
    cancelled_units: int | None
    negligible_units: int | None
    shrinkage: Shrinkage | None
    """Null if neither a penalty nor weight decay acts on the weight."""
    histogram: Histogram | None
    """Null if left out to keep the report short; see `histograms_left_out`."""


class Suggestion(Contract):
    """A change to the spec that follows from the verdict."""

    id: str
    message: str
    source: str
    """Where the rule comes from."""
    patch: Patch
    """The change as a JSON Patch (RFC 6902) of the job's `resolved` spec; the result is valid."""


class Environment(Contract):
    """Versions and devices the model was trained with."""

    python: str
    keras: str
    tensorflow: str
    numpy: str
    devices: tuple[str, ...]
    """TensorFlow's names for the devices it used: `CPU`, or the GPU's name."""


class Report(Contract):
    """The result of training, and whether the regularization worked."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    epochs: int
    """Epochs run."""
    best_epoch: int | None
    """The epoch with the lowest `val_data_loss`; null without validation."""
    kept_epoch: int | None = None
    """The epoch whose weights the model has, and whose values `losses` and the job's `metrics` are;
    null in reports of earlier releases."""
    gap: float | None
    """Data loss on the validation rows minus data loss on the training rows: the difference of
    medians over the last judged epochs."""
    gap_share: float | None
    """gap / reference."""
    reference: float | None
    """The loss that others are compared with: `baseline`, or without one the data loss of the first
    epoch."""
    baseline: float | None
    """Data loss of the best constant prediction, which ignores the features; null if unknown."""
    losses: dict[str, float | None]
    """Losses, penalties, metrics and gap of the epoch whose weights were kept, by default the last;
    null where not finite."""
    penalty_share: float | None
    """penalty / loss in that epoch; null if the loss is not positive."""
    penalties: tuple[PenaltyShare, ...]
    weights: tuple[WeightReport, ...]
    nonfinite_weights: tuple[str, ...]
    """`layer/name` of weights with NaN or infinite values, which are not in `weights`."""
    histograms_left_out: int
    """How many weights, the smallest ones, have no histogram, to keep the report short."""
    raises: tuple[Raise, ...]
    suggestions: tuple[Suggestion, ...]
    environment: Environment
