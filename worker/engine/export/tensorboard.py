"""The curves, the final weights and the spec as TensorBoard's event files."""

import math
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import Histogram, Report, WeightReport
from ridgeline.spec.job_spec import JobSpec
from worker.engine.context import ExportedFile

TRAIN, VALIDATION, SAMPLE = "train", "validation", "train_inference"
"""The runs, one folder each. TensorBoard draws a tag of all runs in one chart: so `data_loss` shows
training, validation and, in inference mode, the fixed sample of training rows side by side."""
_PREFIXES = {"val_": VALIDATION, "train_": SAMPLE}
_FILE = "events.out.tfevents.{second}.ridgeline"
_FORMAT = "brain.Event:2"
"""What every event file begins with."""


class _Scalar(NamedTuple):
    run: str
    tag: str
    value: float


def write_tensorboard(
    rows: Sequence[EpochRow], report: Report, spec: JobSpec, folder: Path, ended_at: float
) -> ExportedFile:
    """Write `tensorboard.zip`: unpack it and give the folder to `tensorboard --logdir`.

    `data_loss`, `penalty` and their sum `loss` are apart, the penalty by layer too. A value that
    was not finite is NaN. `ended_at` is when the last epoch ended, in seconds since 1970: earlier
    epochs are dated by how long each took.
    """
    tree = folder / "tensorboard"
    times = _times(rows, ended_at)
    paths: dict[str, Path] = {}
    for run in _runs(rows):
        paths[run] = tree / run / _FILE.format(second=int(times[0] - rows[0].seconds))
        paths[run].parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(paths[run])) as writer:
            for event in _events(run, rows, times, report, spec):
                writer.write(event.SerializeToString(deterministic=True))
    target = folder / "tensorboard.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths.values():
            archive.write(path, path.relative_to(tree))
    shutil.rmtree(tree)
    return ExportedFile(target, "application/zip")


def _times(rows: Sequence[EpochRow], ended_at: float) -> list[float]:
    """When each epoch ended."""
    times = []
    for row in reversed(rows):
        times.append(ended_at)
        ended_at -= row.seconds
    return times[::-1]


def _runs(rows: Sequence[EpochRow]) -> list[str]:
    names = {name for row in rows for name in row.values}
    return [TRAIN, *sorted({_place(name)[0] for name in names} - {TRAIN})]


def _events(
    run: str, rows: Sequence[EpochRow], times: Sequence[float], report: Report, spec: JobSpec
) -> Iterator[Any]:
    began = times[0] - rows[0].seconds
    yield tf.compat.v1.Event(wall_time=began, file_version=_FORMAT)
    if run == TRAIN:
        text = f"```json\n{spec.model_dump_json(indent=2)}\n```"
        yield _event(began, 0, [_text("spec", text)])
    for row, time in zip(rows, times, strict=True):
        scalars = [scalar for scalar in _scalars(row) if scalar.run == run]
        values = [tf.compat.v1.Summary.Value(tag=s.tag, simple_value=s.value) for s in scalars]
        yield _event(time, row.epoch, values)
    if run == TRAIN:
        values = [_histogram(each, each.histogram) for each in report.weights if each.histogram]
        verdict = _text("verdict", f"**{report.verdict}**")
        yield _event(times[-1], rows[-1].epoch, [*values, verdict])


def _event(time: float, step: int, values: Sequence[Any]) -> Any:
    summary = tf.compat.v1.Summary(value=values)
    return tf.compat.v1.Event(wall_time=time, step=step, summary=summary)


def _scalars(row: EpochRow) -> Iterator[_Scalar]:
    for name, value in row.values.items():
        run, tag = _place(name)
        yield from _scalar(run, tag, value, marked=name in row.nonfinite)
    for term, value in row.penalty_by_layer.items():
        tag = f"penalty_by_layer/{term}"
        yield from _scalar(TRAIN, tag, value, marked=term in row.nonfinite)


def _place(name: str) -> tuple[str, str]:
    """The run and the tag of a series."""
    for prefix, run in _PREFIXES.items():
        if name.startswith(prefix):
            return run, name.removeprefix(prefix)
    return TRAIN, name


def _scalar(run: str, tag: str, value: float | None, *, marked: bool) -> Iterator[_Scalar]:
    if value is not None or marked:
        yield _Scalar(run, tag, math.nan if value is None else value)


def _histogram(weight: WeightReport, histogram: Histogram) -> Any:
    """Buckets as the histogram plugin reads them: (left edge, right edge, count) a row."""
    buckets = list(zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False))
    tensor = tf.make_tensor_proto(buckets, tf.float64)
    return _plugin_value(f"weights/{weight.layer}/{weight.name}", "histograms", tensor)


def _text(tag: str, markdown: str) -> Any:
    return _plugin_value(tag, "text", tf.make_tensor_proto([markdown.encode()], tf.string))


def _plugin_value(tag: str, plugin: str, tensor: Any) -> Any:
    data: Mapping[str, str] = {"plugin_name": plugin}
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(**data)
    )
    return tf.compat.v1.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
