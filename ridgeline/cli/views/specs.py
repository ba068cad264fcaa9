"""Specs: in a few words, as validated, with advice; and presets."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from ridgeline.api.catalog import PresetEntry
from ridgeline.api.job import Validation
from ridgeline.cli.printing import (
    add_row,
    facts,
    headed,
    indented,
    listing,
    number,
    plural,
    size,
    styled,
)
from ridgeline.planning.advice import Advice
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer
from ridgeline.spec.regularization.regularizers import PenaltyTerm

_LAYERS_SHOWN = 12
_WEIGHTS_SHOWN = 4
#: The argument that characterizes a layer: the first of these that it has.
_MAIN_ARGUMENTS = ("units", "filters", "rate", "output_dim", "pool_size", "max_value")


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


def advice_lines(advice: Iterable[Advice]) -> Iterator[RenderableType]:
    """Advice on a spec, with the place that it applies to."""
    for item in advice:
        style = "yellow" if item.severity == "warning" else "cyan"
        yield Text.assemble((f"{item.severity}  ", style), styled(item.pointer or "/", "bold"))
        yield indented("  ", f"{item.message} ({item.source})")


def presets_table(entries: Iterable[PresetEntry]) -> RenderableType:
    """One line per preset."""
    table = listing({"name": "left", "parameters": "wrapped", "description": "wrapped"})
    for entry in entries:
        parameters = ", ".join(argument.name for argument in entry.parameters)
        add_row(table, (entry.name, parameters, entry.description.splitlines()[0]))
    return table


def preset_page(entry: PresetEntry, settings: Sequence[str]) -> Iterator[RenderableType]:
    """A preset's description, its parameters, and how to train it."""
    yield styled(entry.name, "bold")
    for paragraph in entry.description.split("\n\n"):
        yield styled(" ".join(paragraph.split()), "")
    chosen = entry.spec.model.model_dump(mode="json")
    table = listing({"parameter": "left", "value": "right", "default": "right", "": "wrapped"})
    for argument in entry.parameters:
        values = json.dumps(chosen.get(argument.name)), json.dumps(argument.default)
        add_row(table, (argument.name, *values, argument.description))
    yield headed("Parameters", table)
    yield headed("Its job", facts({"data": data_in_words(entry.spec), "source": entry.source}))
    options = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
    command = f"ridgeline presets show {entry.name}{options} --json | ridgeline submit -"
    yield headed("To train it", styled(command, ""))


def data_in_words(spec: JobSpec) -> str:
    """The data set and how it is split."""
    split = spec.split
    shares = [f"{share:.0%} {part}" for part, share in _shares(spec) if share]
    shares += [f"{rows:,} {part} rows of its own" for part, rows in _own_rows(spec) if rows]
    return ", ".join([*_source(spec), *shares, *(["stratified"] * split.stratify)])


def _source(spec: JobSpec) -> Iterator[str]:
    """The name of the data set; for a stored one the file's name and the id that a spec needs."""
    dataset = spec.dataset
    if not isinstance(dataset, UploadDataset):
        yield f"{dataset.source} {dataset.name}"
    elif dataset.stored is None or dataset.stored.name is None:
        yield f"upload {dataset.id}"
    else:
        yield f"upload {dataset.stored.name}"
        yield dataset.id


def _own_rows(spec: JobSpec) -> Iterator[tuple[str, int]]:
    """The rows that a stored data set holds out itself."""
    stored = spec.dataset.stored if isinstance(spec.dataset, UploadDataset) else None
    if stored is not None and stored.split is not None:
        yield "validation", stored.split.validation
        yield "test", stored.split.test


def _shares(spec: JobSpec) -> tuple[tuple[str, float], ...]:
    return ("validation", spec.split.validation), ("test", spec.split.test)


def network_in_words(posted: JobSpec, resolved: JobSpec) -> str:
    """The layers in order, after the preset's name if there is one."""
    layers = resolved.model.layers
    words = [_layer(layer) for layer in layers[:_LAYERS_SHOWN]]
    if len(layers) > _LAYERS_SHOWN:
        words += ["…", _layer(layers[-1])]
    preset = getattr(posted.model, "preset", None)
    name = f"{preset}: " if preset else ""
    count = f"  ({plural(len(layers), 'layer')})" if len(layers) > _LAYERS_SHOWN else ""
    return f"{name}{' → '.join(words)}{count}"


def _layer(layer: Layer) -> str:
    arguments = layer.model_dump(mode="json")
    values = (arguments[name] for name in _MAIN_ARGUMENTS if arguments.get(name) is not None)
    value = next(values, None)
    return layer.type_name() if value is None else f"{layer.type_name()}({_compact(value)})"


def _compact(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def penalties_in_words(penalties: Iterable[PenaltyTerm]) -> str:
    """Each kind and strength of penalty with its weights."""
    weights: dict[str, list[str]] = {}
    for term in penalties:
        weights.setdefault(f"{term.kind} {number(term.strength)}", []).append(
            f"{term.layer}/{term.weight}"
        )
    return "; ".join(f"{penalty} on {_first_few(names)}" for penalty, names in weights.items())


def _first_few(names: list[str]) -> str:
    first, more = ", ".join(names[:_WEIGHTS_SHOWN]), len(names) - _WEIGHTS_SHOWN
    return first if more <= 0 else f"{first} and {more} more"
