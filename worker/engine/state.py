"""Snapshots of everything that training changes."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import numpy.typing as npt

from worker.engine.model import Network
from worker.engine.objective import Objective

Arrays = dict[str, npt.NDArray[np.generic]]


def snapshot(network: Network, objective: Objective) -> Arrays:
    """Copies of all variables of the model and its optimizer."""
    return {name: np.array(variable.numpy()) for name, variable in _variables(network, objective)}


def restore(network: Network, objective: Objective, arrays: Mapping[str, object]) -> None:
    """Restore a snapshot."""
    for name, variable in _variables(network, objective):
        variable.assign(arrays[name])


def restore_weights(network: Network, arrays: Mapping[str, object]) -> None:
    """Restore a snapshot's weights, but not the optimizer's state."""
    for number, weight in enumerate(network.model.weights):
        weight.assign(arrays[f"model/{number}"])


def flat(groups: Mapping[str, Arrays]) -> Arrays:
    """The arrays of several snapshots, with joined names."""
    return {f"{group}/{name}": a for group, arrays in groups.items() for name, a in arrays.items()}


def under(group: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Arrays:
    """One snapshot of those that `flat` joined."""
    start = f"{group}/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


def _variables(network: Network, objective: Objective) -> Iterator[tuple[str, keras.Variable]]:
    for group, variables in (
        ("model", network.model.weights),
        ("optimizer", objective.optimizer.variables),
    ):
        for number, variable in enumerate(variables):
            yield f"{group}/{number}", variable
