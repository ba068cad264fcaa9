"""Random arguments for the layers that multiply, slide, activate, reshape and merge."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from ridgeline.spec.layers import Shape

Json = dict[str, Any]
Arguments = Callable[[Shape], st.SearchStrategy[Json]]


def fixed(required: Json | None = None, /, **optional: st.SearchStrategy[Any]) -> Arguments:
    """Arguments that do not depend on the input's shape."""
    return lambda shape: st.fixed_dictionaries(required or {}, optional=optional)


def windows(rank: int, least: int = 1, most: int = 3) -> st.SearchStrategy[Any]:
    """One number for all of `rank` axes, or one for each."""
    size = st.integers(least, most)
    return size | st.lists(size, min_size=rank, max_size=rank)


PADDING = st.sampled_from(["valid", "same"])
ACTIVATION = st.sampled_from(["linear", "relu", "tanh", "sparsemax"])
FILTERS = st.integers(1, 4)
BOOLEANS = st.booleans()
RATES = st.sampled_from([0.0, 0.25, 0.9])
AXIS = st.sampled_from([-1, 1, -1, 1, 2, -2, 0, 4, -5])
SLOPES = st.sampled_from([0.0, 0.1, 1.0])
NUMBERS = st.sampled_from([-1.0, 0.0, 0.5, 2.0])
MARGINS = st.integers(0, 2)


def _convolution(rank: int) -> Arguments:
    padding = ["valid", "same", "causal"] if rank == 1 else ["valid", "same"]
    return fixed(
        {"filters": FILTERS, "kernel_size": windows(rank)},
        strides=windows(rank),
        padding=st.sampled_from(padding),
        dilation_rate=windows(rank),
        groups=st.integers(1, 2),
        activation=ACTIVATION,
        use_bias=BOOLEANS,
    )


def _transposed(rank: int) -> Arguments:
    return fixed(
        {"filters": FILTERS, "kernel_size": windows(rank)},
        strides=windows(rank, most=2),
        padding=PADDING,
        output_padding=st.none() | windows(rank, 0, 1),
        dilation_rate=st.just(1) | windows(rank, most=2),
        use_bias=BOOLEANS,
    )


def _channelwise(rank: int, **required: st.SearchStrategy[Any]) -> Arguments:
    return fixed(
        {"kernel_size": windows(rank), **required},
        strides=windows(rank),
        padding=PADDING,
        dilation_rate=windows(rank),
        depth_multiplier=st.integers(1, 2),
        use_bias=BOOLEANS,
    )


def _pooling(rank: int) -> Arguments:
    window = windows(rank)
    return fixed(pool_size=window, strides=st.none() | window, padding=PADDING)


def _margins(rank: int) -> st.SearchStrategy[Any]:
    sides = MARGINS | st.lists(MARGINS, min_size=2, max_size=2)
    return sides if rank == 1 else MARGINS | st.lists(sides, min_size=rank, max_size=rank)


def _reshape(shape: Shape) -> st.SearchStrategy[Json]:
    total = math.prod(shape)
    divisors = [number for number in range(1, total + 1) if total % number == 0]

    def target(first: int, second: int, form: int) -> list[int]:
        first = min(first, total)
        rest = total // first
        second = math.gcd(second, rest)
        forms = [[total], [-1], [first, -1], [-1, first], [first, second, rest // second]]
        return [*forms, [-1, second, first], [first + 1, -1], [-1, -1], [0, -1]][form]

    several = st.sampled_from(divisors)
    targets = st.builds(target, several, several, st.integers(0, 5) | st.integers(0, 8))
    return st.builds(lambda it: {"target_shape": it}, targets)


def _permute(shape: Shape) -> st.SearchStrategy[Json]:
    orders = st.permutations(range(1, len(shape) + 1)) | st.just([2, 1])
    return orders.map(lambda dims: {"dims": list(dims)})


def _rescaling(shape: Shape) -> st.SearchStrategy[Json]:
    fitting = st.lists(NUMBERS, min_size=shape[-1], max_size=shape[-1])
    given = NUMBERS | fitting | st.lists(NUMBERS, min_size=1, max_size=2)
    return st.fixed_dictionaries({"scale": given}, optional={"offset": given})


@st.composite
def _einsum(draw: st.DrawFn, shape: Shape) -> Json:
    """Sum over some of a row's axes and add new ones among those that remain."""
    form = draw(st.sampled_from(["", "left", "right"]))
    elided = draw(st.integers(0, len(shape) - 1)) if form else 0
    named = shape[elided:] if form == "left" else shape[: len(shape) - elided]
    inputs = "pqrstuvw"[: len(named)]
    summed = draw(st.lists(st.sampled_from(inputs), min_size=1, unique=True))
    kept = [letter for letter in inputs if letter not in summed]
    new = list("xyz"[: draw(st.integers(1, 2))])
    output = draw(st.permutations([*kept, *new]))
    kernel = draw(st.permutations([*summed, *new, *kept[: draw(st.integers(0, 1))]]))
    sizes = dict(zip(inputs, named, strict=True)) | dict.fromkeys(new, 2)
    if draw(st.integers(0, 9)) == 0:
        sizes[output[0]] += 1
    batch = "..." if form == "left" else "b"
    end = "..." if form == "right" else ""
    terms = f"{batch}{inputs}{end},{''.join(kernel)}->{batch}{''.join(output)}{end}"
    bias = draw(st.none() | st.lists(st.sampled_from(output), min_size=1, unique=True))
    given = [sizes[letter] for letter in output]
    return {
        "equation": terms,
        "output_shape": given[0] if len(given) == 1 else given,
        "bias_axes": None if bias is None else "".join(bias),
    }


#: Arguments of each layer type, given the input's shape.
ARGUMENTS: dict[str, Arguments] = {
    "Dense": fixed({"units": st.integers(1, 6)}, activation=ACTIVATION, use_bias=BOOLEANS),
    "EinsumDense": _einsum,
    "Embedding": fixed(
        {"input_dim": st.integers(1, 9), "output_dim": st.integers(1, 4)}, mask_zero=BOOLEANS
    ),
    "Rescaling": _rescaling,
    "Activation": fixed({"activation": ACTIVATION}),
    "ReLU": fixed(max_value=st.none() | SLOPES, negative_slope=SLOPES, threshold=SLOPES),
    "LeakyReLU": fixed(negative_slope=SLOPES),
    "PReLU": fixed(
        shared_axes=st.none()
        | st.integers(1, 3)
        | st.lists(st.integers(1, 3), min_size=1, max_size=3)
    ),
    "ELU": fixed(alpha=SLOPES),
    "Softmax": fixed(axis=AXIS | st.lists(AXIS, min_size=1, max_size=2)),
    "Flatten": fixed(),
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": fixed({"n": st.integers(1, 3)}),
    "Concatenate": lambda shape: st.fixed_dictionaries(
        {}, optional={"axis": st.sampled_from([-1, 1, len(shape), -len(shape), 0, 4, -5])}
    ),
    "Dot": fixed({"axes": AXIS | st.lists(AXIS, min_size=2, max_size=2)}, normalize=BOOLEANS),
    "UpSampling1D": fixed(size=st.integers(1, 2)),
    "UpSampling2D": fixed(
        size=windows(2, most=2), interpolation=st.sampled_from(["nearest", "bicubic"])
    ),
    "UpSampling3D": fixed(size=windows(3, most=2)),
    **{kind: fixed() for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    **{f"Conv{rank}D": _convolution(rank) for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": _transposed(rank) for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _channelwise(rank) for rank in (1, 2)},
    **{f"SeparableConv{rank}D": _channelwise(rank, filters=FILTERS) for rank in (1, 2)},
    **{f"{how}Pooling{rank}D": _pooling(rank) for how in ("Max", "Average") for rank in (1, 2, 3)},
    **{
        f"Global{how}Pooling{rank}D": fixed(keepdims=BOOLEANS)
        for how in ("Max", "Average")
        for rank in (1, 2, 3)
    },
    **{
        f"Adaptive{how}Pooling{rank}D": fixed({"output_size": windows(rank)})
        for how in ("Max", "Average")
        for rank in (1, 2, 3)
    },
    **{f"Cropping{rank}D": fixed(cropping=_margins(rank)) for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": fixed(padding=_margins(rank)) for rank in (1, 2, 3)},
}


#: The number of axes that a layer type requires of a row.
AXES: dict[str, int] = {
    "RepeatVector": 1,
    **{kind: int(digit) + 1 for kind in ARGUMENTS for digit in "123" if f"{digit}D" in kind},
}


def _alike(first: Shape, other: Shape) -> bool:
    return first == other


#: Which further input shapes a merging layer accepts beside its first.
PARTNERS: dict[str, Callable[[Shape, Shape], bool]] = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _alike),
    "Concatenate": lambda first, other: len(first) == len(other),
    "Dot": lambda first, other: bool(set(first) & set(other)),
}
