"""Presets as a table, and one with its parameters."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType

from ridgeline.api.presets import PresetEntry
from ridgeline.cli.printing import add_row, listing, styled
from ridgeline.cli.views.facts import facts, headed
from ridgeline.cli.views.networks import data_in_words


def presets_table(entries: Iterable[PresetEntry]) -> RenderableType:
    """One line a preset."""
    table = listing({"name": "left", "parameters": "wrapped", "what it is": "wrapped"})
    for entry in entries:
        parameters = ", ".join(argument.name for argument in entry.parameters)
        add_row(table, (entry.name, parameters, entry.description.splitlines()[0]))
    return table


def preset_page(entry: PresetEntry, settings: Sequence[str]) -> Iterator[RenderableType]:
    """What a preset is, what it takes, and how to train it."""
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
    asked = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
    command = f"ridgeline presets show {entry.name}{asked} --json | ridgeline submit -"
    yield headed("To train it", styled(command, ""))
