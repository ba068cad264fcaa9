"""Loads, splits, scales and encodes rows for training."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from ridgeline.api.features import RowEncoding
from ridgeline.api.job import EndCode
from ridgeline.planning.checks.dataset import stratification_fault
from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.planning.resolve import Resolution
from ridgeline.spec.dataset import DatasetShape, Loading, Split, SplitRows
from ridgeline.spec.dataset.contents import ValueCount
from worker.engine.context import TrainingFailed
from worker.engine.data.part import Features, Indices, MappedRows, Part
from worker.engine.data.scaling import FeatureScaling, fit_scaling
from worker.engine.data.sources import KerasCache, RawRows, raw_rows
from worker.engine.data.sources.rows import Chunk
from worker.engine.data.stream import write_rows

MEMORY_SHARE = 0.3
"""Share of the free memory above which rows stream under `auto`.

Three copies exist while TensorFlow takes them over: as read, its own, and one while copying.
"""
Phase = Callable[[str], None]
"""Reports a phase, as TrainingContext.phase does."""
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Data:
    """All parts, the scaling fitted on the training rows, and the row numbers of each part."""

    train: Part
    validation: Part
    test: Part
    scaling: FeatureScaling
    scaled: bool
    """False if the parts hold raw features: the epoch then applies `scaling` to float32(x)."""
    indices: dict[str, Indices]
    """Row numbers of each part. Rows that the set holds out itself are numbered separately."""
    row_encoding: RowEncoding | None = None
    """How a row of a stored data set was encoded."""


class _Group(NamedTuple):
    """Raw rows and the parts they are divided into."""

    raw: RawRows
    parts: dict[str, Indices]


def prepare_data(
    resolution: Resolution,
    scratch: Path | None = None,
    cache: KerasCache | None = None,
    file: Path | None = None,
    phase: Phase = lambda _: None,
) -> Data:
    """Load the data set of a spec, then split, scale and encode it.

    Rows that stream are written into `scratch`, which must exist until training has ended; without
    it, `auto` loading keeps them in memory. Tables in memory are scaled here; images, texts and
    streamed rows stay as in the source, one or four bytes per number, and the epoch scales them.
    Keras's files come from `cache`, a stored data set from `file`; `phase` reports the progress of
    reading it. Raises TrainingFailed if the data are unavailable, or cannot be split as asked.
    """
    spec = resolution.spec
    groups = _groups(resolution, cache, file, phase)
    folder = scratch if _streams(groups, spec.dataset.loading, scratch) else None
    features: dict[str, Features] = {}
    for number, group in enumerate(groups):
        path = folder and folder / f"rows_{number}.npy"
        features |= _on_disk(group, path) if path else gather(*group)
    raw, order = groups[0].raw, np.argsort(groups[0].parts["train"])
    scaling = fit_scaling(features["train"], spec.dataset.scaling, raw.unscaled, order)
    scaled = folder is None and groups[0].raw.dtype == np.float32
    encoding, classes = resolution.encoding, dataset_shape(spec.dataset).classes
    made, indices = {}, {}
    for raw, parts in groups:
        target = encode(raw.target, encoding, classes)
        for name, rows in parts.items():
            x = features.pop(name)
            made[name] = Part(scaling.apply(np.asarray(x)) if scaled else x, target[rows])
            indices[name] = rows
    return Data(
        **made,
        scaling=scaling,
        scaled=scaled,
        indices={name: indices[name] for name in SplitRows._fields},
        row_encoding=groups[0].raw.encoding,
    )


def gather(raw: RawRows, parts: Mapping[str, Indices]) -> dict[str, npt.NDArray[Any]]:
    """The features of each part in memory, read one chunk of the source at a time."""
    held = {name: np.empty((len(rows), *raw.shape), raw.dtype) for name, rows in parts.items()}
    orders = {name: np.argsort(rows, kind="stable") for name, rows in parts.items()}
    ascending = {name: rows[orders[name]] for name, rows in parts.items()}
    for start, chunk in raw.chunks():
        for name, rows in ascending.items():
            first, last = np.searchsorted(rows, (start, start + len(chunk)))
            held[name][orders[name][first:last]] = chunk[rows[first:last] - start]
    return held


def split_indices(
    target: npt.NDArray[Any], split: Split, rows: SplitRows, *, seed: int
) -> dict[str, Indices]:
    """Row numbers of train, validation and test, shuffled by `seed`, stratified if asked.

    Raises TrainingFailed if a class of a stratified split would have no row in a part.
    """
    if split.stratify:
        _check_classes(target, split, seed)
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


def _groups(
    resolution: Resolution, cache: KerasCache | None, file: Path | None, phase: Phase
) -> list[_Group]:
    spec, rows = resolution.spec, resolution.rows
    raw, validation, test = raw_rows(spec.dataset, cache, file)
    apart = {"validation": validation, "test": test}
    divided = rows._replace(**{name: getattr(rows, name) - own.rows for name, own in apart.items()})
    indices = split_indices(raw.target, spec.split, divided, seed=spec.training.seed)
    if raw.fit is not None:
        phase("fitting the encodings")
        raw = raw.fit(indices["train"])
    groups = [_Group(raw, indices)]
    for name, own in apart.items():
        if own.rows:
            del indices[name]
            groups.append(_Group(own, {name: np.arange(own.rows)}))
    return groups if file is None else [_with_progress(group, phase) for group in groups]


def _with_progress(group: _Group, phase: Phase) -> _Group:
    raw, parts = group
    what = "data" if "train" in parts else f"{next(iter(parts))} rows"
    return _Group(replace(raw, chunks=partial(_reporting, raw, what, phase)), parts)


def _reporting(raw: RawRows, what: str, phase: Phase) -> Iterator[Chunk]:
    """The chunks; every tenth of a file is reported as a phase, since reading may take long."""
    tenth = 0
    for start, chunk in raw.chunks():
        yield start, chunk
        done = 10 * (start + len(chunk)) // raw.rows
        if 10 > done > tenth:  # noqa: PLR2004 - ten tenths are all
            tenth = done
            phase(f"preparing the {what}, {tenth}0 %")


def _streams(groups: Sequence[_Group], loading: Loading, scratch: Path | None) -> bool:
    if loading == "stream" and scratch is None:
        raise ValueError("expected a scratch folder for rows that stream, received None")
    if loading != "auto" or scratch is None:
        return loading == "stream"
    needed = sum(raw.rows * raw.row_bytes for raw, _ in groups)
    return needed > MEMORY_SHARE * available_memory()


def _on_disk(group: _Group, path: Path) -> dict[str, Features]:
    file = write_rows(group.raw, path)
    return {name: MappedRows(file, rows) for name, rows in group.parts.items()}


def _check_classes(target: npt.NDArray[Any], split: Split, seed: int) -> None:
    """As the service checks; it knows no classes of Keras's sets and of rows that are left out."""
    values, counts = np.unique(target, return_counts=True)
    classes = [
        ValueCount(value=str(value), rows=int(count))
        for value, count in zip(values, counts, strict=True)
    ]
    data = DatasetShape(len(target), (), len(classes))
    fault = stratification_fault(classes, split, data, seed)
    if fault is not None:
        raise TrainingFailed(EndCode.INVALID_SPEC, f"{fault.pointer}: {fault.detail}")


def _hold_out(
    rows: Indices, count: int, target: npt.NDArray[Any], split: Split, seed: int
) -> Sequence[Indices]:
    if count == 0:
        return rows, rows[:0]
    stratify = target[rows] if split.stratify else None
    return train_test_split(rows, test_size=count, random_state=seed, stratify=stratify)


def available_memory(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Free memory in bytes, without swapping: the lower of the machine's and the container's."""
    machine, container = _machine(meminfo), _container(cgroup)
    return machine if container is None else min(machine, container)


def _machine(meminfo: Path) -> int:
    if not meminfo.is_file():  # not Linux: the installed memory, part of which is in use
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _container(cgroup: Path) -> int | None:
    """Free memory under the control group's limit; its file cache counts as free."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    if limit == "max":
        return None
    return max(0, int(limit) - used + int(stat.get("inactive_file", 0)))
