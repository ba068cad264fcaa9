"""Specs, layers and random networks shared by the unit tests."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from ridgeline.spec.faults import Fault, SpecError
from ridgeline.spec.job_spec import JobSpec, Model
from ridgeline.spec.layers import Layer
from tests.unit.networks.random_layers import Network, lone_layer, random_network
from tests.unit.networks.spatial_layers import Json

MakeSpec = Callable[..., JobSpec]
ParseLayers = Callable[..., tuple[Layer, ...]]
Networks = Callable[..., st.SearchStrategy[Network]]

CLASSIFIER = [
    {"type": "Dense", "units": 16, "activation": "relu"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """Build a spec on digits from JSON; keywords replace sections, `training` is merged."""

    def make(training: Json | None = None, **sections: Any) -> JobSpec:
        spec: Json = {
            "dataset": {"source": "builtin", "name": "digits"},
            "model": {"layers": CLASSIFIER},
            "training": {"loss": "sparse_categorical_crossentropy"},
        }
        spec |= sections
        spec["training"] = spec["training"] | (training or {})
        return JobSpec.model_validate_json(json.dumps(spec))

    return make


@pytest.fixture(scope="session")
def parse_layers() -> ParseLayers:
    """Parse layers as in a request's body."""

    def parse(*layers: Json) -> tuple[Layer, ...]:
        return Model.model_validate_json(json.dumps({"layers": layers})).layers

    return parse


@pytest.fixture(scope="session")
def faults_of() -> Callable[[Callable[[], object]], list[Fault]]:
    """Run something that must raise SpecError and return its faults."""

    def faults(run: Callable[[], object]) -> list[Fault]:
        with pytest.raises(SpecError) as caught:
            run()
        return list(caught.value.faults)

    return faults


@pytest.fixture(scope="session")
def networks() -> Networks:
    """Random networks, see `random_network`."""
    return random_network


@pytest.fixture(scope="session")
def layer_on() -> Callable[[str], st.SearchStrategy[Network]]:
    """Networks of one layer of a type, see `lone_layer`."""
    return lone_layer
