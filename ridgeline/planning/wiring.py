"""Wires layers into a directed acyclic graph: names, inputs, order."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice

from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.base import snake_case

INPUT = "input"
"""The name of the data as a layer's input."""
FEATURE_SCALING = "feature_scaling"
"""The name of the saved model's first layer, which scales features."""


def wire(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Spell out every layer's name and inputs, in topological order, the output last.

    Raises SpecError for duplicate names, unknown inputs, wrong numbers of inputs, cycles, and
    layers whose output is unused.
    """
    wired = _with_inputs(layers, _names(layers))
    position = {str(layer.name): index for index, layer in enumerate(wired)}
    _check_inputs(wired, position)
    _check_used(wired, position)
    return tuple(wired[position[name]] for name in _order(wired, position))


def positions(layers: Sequence[Layer]) -> dict[str, int]:
    """Each layer's index in the list as posted, by the name that `wire` gives it."""
    return {name: index for index, name in enumerate(_names(layers))}


def consumers(layers: Sequence[Layer]) -> Mapping[str, list[Layer]]:
    """The layers that read each name's output, for wired layers."""
    readers: defaultdict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        for name in dict.fromkeys(layer.inputs or ()):
            readers[name].append(layer)
    return readers


def name_source(used: set[str]) -> Callable[[str], str]:
    """A function that returns Keras's default names (`dense`, `dense_1`, …), always a new one."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)

    def free_name(type_name: str) -> str:
        stem = snake_case(type_name)
        candidates = (f"{stem}_{number}" if number else stem for number in numbers[stem])
        return next(name for name in candidates if name not in used)

    return free_name


def _names(layers: Sequence[Layer]) -> list[str]:
    used = {INPUT, FEATURE_SCALING}
    for index, layer in enumerate(layers):
        if layer.name is None:
            continue
        if layer.name in used:
            detail = f"expected a unique name; {layer.name!r} is already in use"
            raise SpecError([Fault(pointer=_at(index, "name"), detail=detail, rule="unique-name")])
        used.add(layer.name)
    free_name = name_source(used)
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
    """Raise SpecError unless every layer leads to the output, the last one listed."""
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
            detail=f"the output of {layer.name!r} is unused; name {layer.name!r} in the `inputs` of"
            f" a layer that leads to the output {layers[-1].name!r}, or remove it",
            rule="unused-layer",
        )
        for index, layer in enumerate(layers)
        if layer.name not in reached
    ]
    if faults:
        raise SpecError(faults)


def _order(layers: Sequence[Layer], position: Mapping[str, int]) -> list[str]:
    """Topological order by Kahn's algorithm, close to the listed order."""
    waiting = {str(layer.name): set(layer.inputs or ()) - {INPUT} for layer in layers}
    readers = consumers(layers)
    ready = [position[name] for name, inputs in waiting.items() if not inputs]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = str(layers[heapq.heappop(ready)].name)
        order.append(name)
        for consumer in readers[name]:
            waiting[str(consumer.name)].discard(name)
            if not waiting[str(consumer.name)]:
                heapq.heappush(ready, position[str(consumer.name)])
    if len(order) < len(layers):
        raise SpecError([_cycle(layers, position, set(waiting) - set(order))])
    return order


def _cycle(layers: Sequence[Layer], position: Mapping[str, int], stuck: set[str]) -> Fault:
    """A fault for a cycle: follows inputs among the stuck layers until one repeats."""
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
