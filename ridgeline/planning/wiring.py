"""Wires layers into a directed acyclic graph: names, inputs, order."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice

from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.base import snake_case

INPUT = "input"
"""The name by which layers take the data."""
FEATURE_SCALING = "feature_scaling"
"""The name of the saved model's first layer."""


def wire(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Spell out every layer's name and inputs, in topological order, the output last.

    Raises SpecError for repeated names, unknown inputs, wrong numbers of inputs, cycles, and layers
    whose output goes nowhere.
    """
    wired = _with_inputs(layers, _names(layers))
    position = {str(layer.name): index for index, layer in enumerate(wired)}
    _check_inputs(wired, position)
    _check_used(wired, position)
    return tuple(wired[position[name]] for name in _order(wired, position))


def positions(layers: Sequence[Layer]) -> dict[str, int]:
    """Each layer's place in the list as posted, by the name wiring gives it."""
    return {name: index for index, name in enumerate(_names(layers))}


def consumers(layers: Sequence[Layer]) -> Mapping[str, list[Layer]]:
    """The layers that take each name's output, for wired layers."""
    taken: defaultdict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        for name in dict.fromkeys(layer.inputs or ()):
            taken[name].append(layer)
    return taken


def name_source(taken: set[str]) -> Callable[[str], str]:
    """Give Keras's default names (`dense`, `dense_1`, …), neither taken ones nor one twice."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)

    def free_name(type_name: str) -> str:
        stem = snake_case(type_name)
        candidates = (f"{stem}_{number}" if number else stem for number in numbers[stem])
        return next(name for name in candidates if name not in taken)

    return free_name


def _names(layers: Sequence[Layer]) -> list[str]:
    taken = {INPUT, FEATURE_SCALING}
    for index, layer in enumerate(layers):
        if layer.name is None:
            continue
        if layer.name in taken:
            detail = f"expected a name no other layer has; {layer.name!r} is taken"
            raise SpecError([Fault(pointer=_at(index, "name"), detail=detail, rule="unique-name")])
        taken.add(layer.name)
    free_name = name_source(taken)
    return [layer.name or free_name(layer.type_name()) for layer in layers]


def _with_inputs(layers: Sequence[Layer], names: list[str]) -> list[Layer]:
    return [
        layer.model_copy(
            update={"name": name, "inputs": (before,) if layer.inputs is None else layer.inputs}
        )
        for layer, name, before in zip(layers, names, [INPUT, *names], strict=False)
    ]


def _check_inputs(layers: Sequence[Layer], position: Mapping[str, int]) -> None:
    faults = list(islice(_input_faults(layers, position), MAX_FAULTS))
    if faults:
        raise SpecError(faults)


def _input_faults(layers: Sequence[Layer], position: Mapping[str, int]) -> Iterator[Fault]:
    for index, layer in enumerate(layers):
        inputs = layer.inputs or ()
        for number, name in enumerate(inputs):
            if name != INPUT and name not in position:
                at = _at(index, "inputs", number)
                detail = f"expected the name of a layer or {INPUT!r}; no layer is named {name!r}"
                yield Fault(pointer=at, detail=detail, rule="known-input")
        least, most = layer.arity
        if len(inputs) < least or (most is not None and len(inputs) > most):
            expected = f"{least} input" if most == least else f"at least {least} inputs"
            detail = f"{layer.type_name()} expects {expected}, received {len(inputs)}"
            yield Fault(pointer=_at(index, "inputs"), detail=detail, rule="arity")


def _check_used(layers: Sequence[Layer], position: Mapping[str, int]) -> None:
    """Every layer must lead to the output, the last one listed."""
    reached: set[str] = set()
    stack = [str(layers[-1].name)]
    while stack:
        name = stack.pop()
        if name == INPUT or name in reached:
            continue
        reached.add(name)
        stack += layers[position[name]].inputs or ()
    faults = [
        Fault(
            pointer=_at(index),
            detail=f"the output of {layer.name!r} goes nowhere; name it in the `inputs` of a layer"
            f" that leads to the output {layers[-1].name!r}, or remove it",
            rule="unused-layer",
        )
        for index, layer in enumerate(layers)
        if layer.name not in reached
    ]
    if faults:
        raise SpecError(faults)


def _order(layers: Sequence[Layer], position: Mapping[str, int]) -> list[str]:
    """Kahn's algorithm, keeping the listed order where it can."""
    waiting = {str(layer.name): set(layer.inputs or ()) - {INPUT} for layer in layers}
    taken = consumers(layers)
    ready = [position[name] for name, inputs in waiting.items() if not inputs]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = str(layers[heapq.heappop(ready)].name)
        order.append(name)
        for consumer in taken[name]:
            waiting[str(consumer.name)].discard(name)
            if not waiting[str(consumer.name)]:
                heapq.heappush(ready, position[str(consumer.name)])
    if len(order) < len(layers):
        raise SpecError([_cycle(layers, position, set(waiting) - set(order))])
    return order


def _cycle(layers: Sequence[Layer], position: Mapping[str, int], stuck: set[str]) -> Fault:
    """Walk inputs among the stuck layers until one repeats: that is a cycle."""
    name, path = min(stuck, key=position.__getitem__), []
    while name not in path:
        path.append(name)
        name = next(i for i in layers[position[name]].inputs or () if i in stuck)
    cycle = [*path[path.index(name) :], name]
    return Fault(
        pointer=_at(position[name], "inputs"),
        detail=f"expected an acyclic graph, received the cycle {' ← '.join(cycle)}",
        rule="acyclic",
    )


def _at(index: int, *rest: str | int) -> str:
    return pointer("model", "layers", index, *rest)
