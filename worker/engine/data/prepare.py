"""Splits, scales and encodes rows for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from ridgeline.contract.dataset import Split, SplitRows
from ridgeline.contract.resolve import Resolution
from ridgeline.contract.targets import TargetEncoding
from worker.engine.data.scaling import FeatureScaling, fit_scaling
from worker.engine.data.sources import load

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Scaled features (rows, …) and encoded targets of one part of the split."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.x)


@dataclass(frozen=True)
class Data:
    """All parts, the scaling that was fitted on the training rows, and which rows are where."""

    train: Part
    validation: Part
    test: Part
    scaling: FeatureScaling
    indices: dict[str, Indices]


def prepare_data(resolution: Resolution) -> Data:
    """Load the data set of a spec and make it ready: split, then scale, then encode."""
    spec = resolution.spec
    features, target = load(spec.dataset)
    indices = split_indices(target, spec.split, resolution.rows, seed=spec.training.seed)
    scaling = fit_scaling(features[indices["train"]], spec.dataset.scaling)
    encoded = encode(target, resolution.encoding, spec.dataset.shape.classes)
    parts = {
        name: Part(scaling.apply(features[rows]), encoded[rows]) for name, rows in indices.items()
    }
    return Data(**parts, scaling=scaling, indices=indices)


def split_indices(
    target: npt.NDArray[Any], split: Split, rows: SplitRows, *, seed: int
) -> dict[str, Indices]:
    """Row numbers of train, validation and test, shuffled by `seed`; stratified where asked."""
    everything: Indices = np.arange(len(target))
    rest, test = _hold_out(everything, rows.test, target, split, seed)
    train, validation = _hold_out(rest, rows.validation, target, split, seed)
    return {"train": train, "validation": validation, "test": test}


def encode(
    target: npt.NDArray[Any], encoding: TargetEncoding, classes: int | None
) -> npt.NDArray[Any]:
    """The target as the loss reads it: (rows,) for `index`, else float32 (rows, columns)."""
    if encoding == "index":
        return target.astype(np.int32)
    if encoding == "one_hot":
        return np.eye(classes or 0, dtype=np.float32)[target]
    return target.astype(np.float32)[:, np.newaxis]


def _hold_out(
    rows: Indices, count: int, target: npt.NDArray[Any], split: Split, seed: int
) -> Sequence[Indices]:
    if count == 0:
        return rows, rows[:0]
    stratify = target[rows] if split.stratify else None
    return train_test_split(rows, test_size=count, random_state=seed, stratify=stratify)
