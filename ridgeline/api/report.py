"""The report of a job that has trained: verdict, evidence, weights, and what to change."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ridgeline.spec.patch import Patch
from ridgeline.spec.schema import Contract

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Verdict(StrEnum):
    """What the curves say of a run; the rules are `diagnosis.diagnose`'s."""

    OVERFIT = "overfit"  #: it learned of the training rows what does not hold for others
    UNDERFIT = "underfit"  #: it has hardly learned the training rows
    GOOD = "good"  #: it learned, and what it learned holds for the validation rows
    DIVERGED = "diverged"  #: the loss grew or became infinite in place of falling
    UNCLEAR = "unclear"  #: too little was measured, or the signs contradict each other


class Evidence(Contract):
    """One fact that speaks for a verdict or limits it."""

    id: str
    message: str
    """A sentence with the measured numbers."""
    series: tuple[str, ...]
    """The series of the curves it was read from."""
    epochs: tuple[int, ...]
    """The epochs it compares."""


class Raise(Contract):
    """A regularization that training raised by itself when it saw overfitting."""

    epoch: Annotated[int, Field(ge=1)]
    """The epoch after which it was raised."""
    restored_epoch: Annotated[int, Field(ge=1)]
    """The epoch whose weights training went on from."""
    what: Annotated[str, Field(pattern=r"^(dropout|l2)$")]
    before: float
    """The dropout rate, or the strength of L2 as the spec gives it."""
    after: float


class PenaltyShare(Contract):
    """One penalty at the end of training."""

    layer: str
    weight: str
    """The weight it is on, such as `kernel`, or `activity`."""
    kind: str
    """`l1`, `l2` or another of Keras's."""
    value: float
    """What it added to the loss: the mean over the last epoch's steps."""
    share: float | None
    """value / loss of the same epoch; null where the loss is not a positive number."""


class Histogram(Contract):
    """How a weight's elements are distributed, in bins of equal width from least to greatest."""

    edges: tuple[float, ...]
    """bins + 1 of them, to seven digits; a bin holds its left edge, the last one its right too."""
    counts: tuple[int, ...]


class Shrinkage(Contract):
    """How far one step of gradient descent moves a weight toward zero for its penalties alone.

    w ← (1 − factor)·w − step·sign(w), with the last epoch's learning rate η, the Keras
    coefficients c₁ and c₂ and the decoupled weight decay d:

        factor = 2·η·c₂ + η·d          step = η·c₁

    With the textbook's λ, 2·c₂ = λ/n and so factor = η·λ/n, as in the note. Exact for SGD without
    momentum; momentum m makes both 1/(1 − m) times as large in the long run. Adaptive optimizers
    divide the penalty's gradient as they do the loss's, so only the part η·d is exact there.
    """

    factor: float
    """The share of itself that a weight loses in a step; from 1 on the step erases it."""
    step: float
    """What L1 takes from |w| in a step."""


class WeightReport(Contract):
    """One trained weight.

    An element is nearly zero where |w| ≤ NEARLY_ZERO·s, with s = max(√mean(w²), √(2/(fan_in +
    fan_out))): a hundredth of what is usual in this weight now, or was when it was fresh (Glorot
    & Bengio, 2010), whichever is more. So a weight that a penalty has shrunk as a whole counts too.
    Weights of one axis (biases, gamma, beta) have no fan: there s is √mean(w²).

    A unit is one index of the last axis of a weight with two axes or more: a column of a Dense
    kernel, a filter of a convolution. It is cancelled where all its elements are zero, and
    negligible where all are nearly zero (cancelled ones too): whatever comes in, it passes on its
    bias alone (the note: "this cancels the effect of this neuron").
    """

    layer: str
    name: str
    """Its name in the layer, such as `kernel`."""
    shape: tuple[int, ...]
    size: int
    l1_norm: float
    """Σ|w|."""
    l2_norm: float
    """√Σw²."""
    max_unit_norm: float | None
    """The largest √Σw² of a unit, over all axes but the last; null for weights of one axis."""
    zero_share: Share
    """The share of elements that are exactly zero."""
    nearly_zero_share: Share
    """The share of elements that are nearly zero, the exact zeros among them."""
    units: int | None
    """How many units it has; null for weights of one axis."""
    cancelled_units: int | None
    negligible_units: int | None
    shrinkage: Shrinkage | None
    """Null where no penalty and no weight decay acts on it."""
    histogram: Histogram | None
    """Null where the report would become too long; `histograms_left_out` counts them."""


class Suggestion(Contract):
    """One change to the spec that the verdict calls for."""

    id: str
    message: str
    source: str
    """Where the rule comes from."""
    patch: Patch
    """The change as a JSON Patch (RFC 6902) of the job's `resolved` spec; the result validates."""


class Environment(Contract):
    """What the model was trained with."""

    python: str
    keras: str
    tensorflow: str
    numpy: str
    devices: tuple[str, ...]
    """What TensorFlow calls the devices it used: `CPU`, or the GPU's name."""


class Report(Contract):
    """What training did, and whether the regularization worked."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    epochs: int
    """Epochs that ran."""
    best_epoch: int | None
    """The epoch with the least `val_data_loss`; null without validation."""
    gap: float | None
    """Validation's data loss less that of the training rows: medians over the last judged
    epochs."""
    gap_share: float | None
    """gap / the reference loss."""
    reference: float | None
    """What losses are compared with: the data loss of the best constant prediction (`baseline`), or
    without one the first epoch's."""
    baseline: float | None
    """The data loss of the best prediction that ignores the features; null where it is unknown."""
    losses: dict[str, float | None]
    """The values of the epoch whose weights were kept, else the last one's: losses, penalties,
    metrics, gap; null where not finite."""
    penalty_share: float | None
    """penalty / loss in that epoch; null where the loss is not a positive number."""
    penalties: tuple[PenaltyShare, ...]
    weights: tuple[WeightReport, ...]
    nonfinite_weights: tuple[str, ...]
    """`layer/name` of weights that hold NaN or infinities, which have no report."""
    histograms_left_out: int
    """How many weights have no histogram, the smallest ones, for the report's length."""
    raises: tuple[Raise, ...]
    suggestions: tuple[Suggestion, ...]
    environment: Environment
