"""Random arguments for recurrent layers, attention, normalization, dropout, images, wrappers."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from ridgeline.spec.layers import Shape
from tests.unit.networks.spatial_layers import (
    BOOLEANS,
    PADDING,
    RATES,
    Arguments,
    Json,
    fixed,
    windows,
)

SHARES = st.sampled_from([0.0, 0.3, 1.0, [0.2, 0.4]])
HEADS = st.integers(1, 3)
SIZES = st.integers(1, 2)

RECURRENT = {
    "use_bias": BOOLEANS,
    "return_sequences": BOOLEANS,
    "dropout": RATES,
    "recurrent_dropout": RATES,
}
STEPWISE = {**RECURRENT, "unroll": BOOLEANS, "go_backwards": BOOLEANS}
AFFINE = {"center": BOOLEANS, "scale": BOOLEANS}
PROJECTED = {"use_bias": BOOLEANS, "use_gate": BOOLEANS, "dropout": RATES}
IMAGE: dict[str, st.SearchStrategy[Any]] = {
    "value_range": st.sampled_from([[0, 255], [0, 1], [-1.0, 1.0]])
}


def conv_lstm(rank: int) -> Arguments:
    return fixed(
        {"filters": st.integers(1, 2), "kernel_size": windows(rank, most=2)},
        strides=windows(rank, most=2),
        padding=PADDING,
        dilation_rate=windows(rank, most=2),
        **RECURRENT,
    )


def one_axis(shape: Shape) -> st.SearchStrategy[int]:
    rank = len(shape)
    return st.sampled_from([-1, 1, rank, -rank, 0, rank + 1])


def several_axes(shape: Shape) -> st.SearchStrategy[Any]:
    rank = len(shape)
    choices = [list(range(1, rank + 1)), list(range(-rank, 0)), [-1], [rank, *range(1, rank)]]
    return one_axis(shape) | st.sampled_from(choices)


def noise_shape(shape: Shape) -> st.SearchStrategy[Any]:
    axes = [st.sampled_from([None, 1, size]) for size in shape]
    return st.none() | st.tuples(st.sampled_from([None, 1]), *axes).map(list)


def groups(shape: Shape) -> st.SearchStrategy[Any]:
    channels = shape[-1]
    divisors = [number for number in range(1, channels + 1) if channels % number == 0]
    return st.sampled_from([*divisors, -1, *divisors, channels + 1])


def smaller(shape: Shape) -> st.SearchStrategy[Json]:
    """A window smaller than the picture, where there is one."""
    sides = [max(side - 1, 1) for side in (*shape, 2, 2)[:2]]
    return st.fixed_dictionaries(
        {"height": st.integers(1, sides[0]), "width": st.integers(1, sides[1])}
    )


def bidirectional(shape: Shape) -> st.SearchStrategy[Json]:
    """A Bidirectional around a recurrent layer that accepts the shape."""
    optional = {"return_sequences": BOOLEANS, "use_bias": BOOLEANS}
    kinds = {3: ("ConvLSTM1D",), 4: ("ConvLSTM2D",), 5: ("ConvLSTM3D",)}.get(len(shape))
    required: dict[str, st.SearchStrategy[Any]] = (
        {"filters": HEADS, "kernel_size": st.just(1)} if kinds else {"units": HEADS}
    )
    layer = st.fixed_dictionaries(
        {"type": st.sampled_from(kinds or ("SimpleRNN", "LSTM", "GRU")), **required},
        optional=optional,
    )
    mode = st.sampled_from(["concat", "sum", "mul", "ave"])
    return st.fixed_dictionaries({"layer": layer}, optional={"merge_mode": mode})


DENSE = st.fixed_dictionaries(
    {"type": st.just("Dense"), "units": HEADS}, optional={"use_bias": BOOLEANS}
)
CONV = st.fixed_dictionaries(
    {"type": st.just("Conv2D"), "filters": HEADS, "kernel_size": SIZES}, optional={}
)
POOL = st.just({"type": "MaxPooling2D", "pool_size": 1})

SIMPLE = {
    "SimpleRNN": fixed({"units": HEADS}, **STEPWISE),
    "LSTM": fixed({"units": HEADS}, unit_forget_bias=BOOLEANS, **STEPWISE),
    "GRU": fixed({"units": HEADS}, reset_after=BOOLEANS, **STEPWISE),
    "ConvLSTM1D": conv_lstm(1),
    "ConvLSTM2D": conv_lstm(2),
    "ConvLSTM3D": conv_lstm(3),
    "Attention": fixed(
        use_scale=BOOLEANS, score_mode=st.sampled_from(["dot", "concat"]), dropout=RATES
    ),
    "AdditiveAttention": fixed(use_scale=BOOLEANS, dropout=RATES),
    "MultiHeadAttention": fixed(
        {"num_heads": HEADS, "key_dim": HEADS},
        value_dim=st.none() | HEADS,
        sliding_window=st.none() | HEADS,
        **PROJECTED,
    ),
    "GroupQueryAttention": fixed(
        {
            "head_dim": HEADS,
            "num_query_heads": st.sampled_from([2, 4]),
            "num_key_value_heads": st.integers(1, 2),
        },
        sliding_window=st.none() | HEADS,
        **PROJECTED,
    ),
    "RMSNormalization": fixed(epsilon=st.just(1e-3)),
    "GaussianDropout": fixed({"rate": RATES}),
    "GaussianNoise": fixed({"stddev": SHARES.filter(lambda it: isinstance(it, float))}),
    **{f"SpatialDropout{rank}D": fixed({"rate": RATES}) for rank in (1, 2, 3)},
    "DropPath": fixed({"rate": RATES}),
    "DropBlock2D": fixed({"rate": RATES, "block_size": st.integers(1, 3)}),
    "ActivityRegularization": fixed(l1=st.just(0.1), l2=st.just(0.1)),
    "RandomFlip": fixed(mode=st.sampled_from(["horizontal", "vertical"])),
    "RandomRotation": fixed({"factor": SHARES}),
    "RandomTranslation": fixed({"height_factor": SHARES, "width_factor": SHARES}),
    "RandomZoom": fixed({"height_factor": st.sampled_from([0.0, 0.5, [-0.5, 1.0]])}),
    "RandomShear": fixed(x_factor=SHARES, y_factor=SHARES),
    "RandomPerspective": fixed(factor=SHARES, scale=st.sampled_from([0.0, 1.0])),
    "RandomElasticTransform": fixed(factor=SHARES, scale=SHARES, **IMAGE),
    "RandomBrightness": fixed({"factor": SHARES}, **IMAGE),
    "RandomContrast": fixed({"factor": SHARES}, **IMAGE),
    "RandomHue": fixed({"factor": SHARES}, **IMAGE),
    "RandomSaturation": fixed({"factor": SHARES}, **IMAGE),
    "RandomSharpness": fixed({"factor": SHARES}, **IMAGE),
    "RandomColorDegeneration": fixed({"factor": SHARES}, **IMAGE),
    "RandomColorJitter": fixed(hue_factor=SHARES, contrast_factor=SHARES, **IMAGE),
    "RandomPosterization": fixed({"factor": st.sampled_from([1, 8, [2, 5]])}, **IMAGE),
    "RandomGrayscale": fixed(factor=st.sampled_from([0.0, 1.0])),
    "RandomInvert": fixed(factor=SHARES, **IMAGE),
    "Solarization": fixed(addition_factor=SHARES, threshold_factor=SHARES, **IMAGE),
    "RandomGaussianBlur": fixed(kernel_size=st.sampled_from([1, 3, [3, 5]]), **IMAGE),
    "RandomErasing": fixed(scale=SHARES, fill_value=st.none() | st.just(0.5), **IMAGE),
    "Equalization": fixed(bins=st.sampled_from([2, 256]), **IMAGE),
    "AutoContrast": fixed(**IMAGE),
    "RandAugment": fixed(num_ops=SIZES, factor=SHARES, **IMAGE),
    "MixUp": fixed(alpha=st.just(0.4)),
    "CutMix": fixed(factor=SHARES),
    "Resizing": fixed(
        {"height": st.integers(1, 6), "width": st.integers(1, 6)}, antialias=BOOLEANS
    ),
    "CenterCrop": fixed({"height": st.integers(1, 6), "width": st.integers(1, 6)}),
    "TimeDistributed": fixed({"layer": DENSE | CONV | POOL | st.just({"type": "Flatten"})}),
    "SpectralNormalization": fixed({"layer": DENSE | CONV}, power_iterations=SIZES),
}


def by_shape(shape: Shape) -> dict[str, st.SearchStrategy[Json]]:
    """Arguments that depend on the input's axes."""
    return {
        "BatchNormalization": st.fixed_dictionaries(
            {}, optional={"axis": one_axis(shape), "renorm": BOOLEANS, **AFFINE}
        ),
        "LayerNormalization": st.fixed_dictionaries(
            {}, optional={"axis": several_axes(shape), **AFFINE}
        ),
        "GroupNormalization": st.fixed_dictionaries({"groups": groups(shape)}, optional=AFFINE),
        "UnitNormalization": st.fixed_dictionaries({}, optional={"axis": several_axes(shape)}),
        "Dropout": st.fixed_dictionaries(
            {"rate": RATES}, optional={"noise_shape": noise_shape(shape)}
        ),
        "AlphaDropout": st.fixed_dictionaries(
            {"rate": RATES}, optional={"noise_shape": noise_shape(shape)}
        ),
        "RandomCrop": smaller(shape),
        "Bidirectional": bidirectional(shape),
    }


def _of(kind: str) -> Arguments:
    return lambda shape: by_shape(shape)[kind]


#: Arguments of each layer type, given the input's shape.
ARGUMENTS: dict[str, Arguments] = SIMPLE | {kind: _of(kind) for kind in by_shape((1,))}

#: The arguments that Keras requires of each type, to learn its default name.
REQUIRED: dict[str, Json] = {
    "AlphaDropout": {"rate": 0.5},
    **{kind: {"height": 1, "width": 1} for kind in ("CenterCrop", "RandomCrop", "Resizing")},
    **{f"ConvLSTM{rank}D": {"filters": 1, "kernel_size": 1} for rank in (1, 2, 3)},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "GroupQueryAttention": {"head_dim": 1, "num_query_heads": 1, "num_key_value_heads": 1},
    "MultiHeadAttention": {"num_heads": 1, "key_dim": 1},
    **{
        f"Random{what}": {"factor": 0.5}
        for what in (
            *("Brightness", "ColorDegeneration", "Contrast", "Hue", "Rotation"),
            *("Saturation", "Sharpness"),
        )
    },
    "RandomPosterization": {"factor": 4},
    "RandomTranslation": {"height_factor": 0.5, "width_factor": 0.5},
    "RandomZoom": {"height_factor": 0.5},
    **{kind: {"units": 1} for kind in ("SimpleRNN", "LSTM", "GRU")},
    **{f"SpatialDropout{rank}D": {"rate": 0.5} for rank in (1, 3)},
}

#: The number of axes that a layer type requires of a row.
AXES: dict[str, int] = {
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "SpatialDropout1D"), 2),
    **dict.fromkeys(("Attention", "AdditiveAttention"), 2),
    **dict.fromkeys(("MultiHeadAttention", "GroupQueryAttention"), 2),
    "ConvLSTM1D": 3,
    "ConvLSTM2D": 4,
    "ConvLSTM3D": 5,
    "SpatialDropout3D": 4,
    **{kind: 3 for kind in ARGUMENTS if kind.startswith("Rand")},
    **dict.fromkeys(("Solarization", "Equalization", "AutoContrast", "MixUp", "CutMix"), 3),
    **dict.fromkeys(("Resizing", "CenterCrop", "SpatialDropout2D", "DropBlock2D"), 3),
}


def _same_features(source: Shape, partner: Shape) -> bool:
    return len(source) == len(partner) and source[-1] == partner[-1]


#: Which further input shapes a layer accepts beside its first.
PARTNERS: dict[str, Callable[[Shape, Shape], bool]] = {
    "Attention": _same_features,
    "AdditiveAttention": _same_features,
    "GroupQueryAttention": _same_features,
    "MultiHeadAttention": lambda source, partner: len(source) == len(partner),
}
