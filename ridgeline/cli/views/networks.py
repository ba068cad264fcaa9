"""A spec's data, network and penalties in a few words."""

from collections.abc import Iterable, Iterator

from ridgeline.cli.figures import number, plural
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer
from ridgeline.spec.regularization.regularizers import PenaltyTerm

_SHOWN = 12
#: What tells a layer from others of its type, the first that it has.
_TELLING = ("units", "filters", "rate", "output_dim", "pool_size", "max_value")


def data_in_words(spec: JobSpec) -> str:
    """The data set and how it is split."""
    split = spec.split
    shares = [f"{share:.0%} {part}" for part, share in _shares(spec) if share]
    shares += [f"{rows:,} {part} rows of its own" for part, rows in _own_rows(spec) if rows]
    return ", ".join([*_source(spec), *shares, *(["stratified"] * split.stratify)])


def _source(spec: JobSpec) -> Iterator[str]:
    """The data set by its name, an upload by its file's; and by its id, which a spec takes."""
    dataset = spec.dataset
    if not isinstance(dataset, UploadDataset):
        yield f"{dataset.source} {dataset.name}"
    elif dataset.stored is None or dataset.stored.name is None:
        yield f"upload {dataset.id}"
    else:
        yield f"upload {dataset.stored.name}"
        yield dataset.id


def network_in_words(posted: JobSpec, resolved: JobSpec) -> str:
    """The layers in a row, behind the preset's name where there is one."""
    layers = resolved.model.layers
    words = [_layer(layer) for layer in layers[:_SHOWN]]
    if len(layers) > _SHOWN:
        words += ["…", _layer(layers[-1])]
    preset = getattr(posted.model, "preset", None)
    named = f"{preset}: " if preset else ""
    return f"{named}{' → '.join(words)}" + (
        f"  ({plural(len(layers), 'layer')})" if len(layers) > _SHOWN else ""
    )


def penalties_in_words(penalties: Iterable[PenaltyTerm]) -> str:
    """Each kind and strength of penalty with the weights it is on."""
    weights: dict[str, list[str]] = {}
    for term in penalties:
        weights.setdefault(f"{term.kind} {number(term.strength)}", []).append(
            f"{term.layer}/{term.weight}"
        )
    return "; ".join(f"{penalty} on {_few(names)}" for penalty, names in weights.items())


def _own_rows(spec: JobSpec) -> Iterator[tuple[str, int]]:
    """What an upload holds out itself."""
    stored = spec.dataset.stored if isinstance(spec.dataset, UploadDataset) else None
    if stored is not None and stored.split is not None:
        yield "validation", stored.split.validation
        yield "test", stored.split.test


def _shares(spec: JobSpec) -> tuple[tuple[str, float], ...]:
    return ("validation", spec.split.validation), ("test", spec.split.test)


def _layer(layer: Layer) -> str:
    arguments = layer.model_dump(mode="json")
    told = next((arguments[name] for name in _TELLING if arguments.get(name) is not None), None)
    return layer.type_name() if told is None else f"{layer.type_name()}({_short(told)})"


def _short(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def _few(names: list[str]) -> str:
    few = 4
    return (
        ", ".join(names)
        if len(names) <= few
        else f"{', '.join(names[:few])} and {len(names) - few} more"
    )
