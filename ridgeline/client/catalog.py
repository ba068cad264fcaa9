"""What a spec may say, and who trains it."""

import json
from typing import Any

from pydantic import RootModel

from ridgeline.api.presets import PresetEntry
from ridgeline.api.worker import Worker
from ridgeline.client.answers import read, read_object
from ridgeline.client.part import Part
from ridgeline.client.transport import path_to


class _Presets(RootModel[tuple[PresetEntry, ...]]):
    """What GET /presets answers."""


class _Workers(RootModel[tuple[Worker, ...]]):
    """What GET /workers answers."""


class Catalog(Part):
    """The part of the client that reads what the service offers."""

    def presets(self) -> tuple[PresetEntry, ...]:
        """List the networks that a spec can name, each with a spec to submit."""
        return read(_Presets, self._service.send("GET", "/presets")).root

    def preset(self, name: str, **parameters: Any) -> PresetEntry:
        """Get a network by its name, with `parameters` in place of its own.

        >>> client.submit(client.preset("imdb_mlp", rate=0.4).spec)

        Raises NotFoundError, and InvalidRequestError where it does not take the parameters.
        """
        query = {key: json.dumps(value) for key, value in parameters.items()}
        return read(PresetEntry, self._service.send("GET", path_to("presets", name), params=query))

    def catalog(self) -> dict[str, Any]:
        """Get what a spec may name, as JSON: layers, optimizers, losses, metrics, data sets.

        Each with its arguments as JSON schema.
        """
        return read_object(self._service.send("GET", "/catalog"))

    def workers(self) -> tuple[Worker, ...]:
        """List the workers, the latest first, with the jobs they hold."""
        return read(_Workers, self._service.send("GET", "/workers")).root
