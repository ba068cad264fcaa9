"""House prices: california_housing."""

import numpy as np

from ridgeline.spec.dataset import KerasHousing
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.pickles import npz_array
from worker.engine.data.sources.rows import RawRows, held_rows

SMALL = 600
SEED = 113
TEST_SHARE = 0.2


def california_housing(dataset: KerasHousing, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """Districts in the order load_data shuffles them; the last fifth are for testing."""
    path = cache.path("california_housing.npz")
    features, target = (npz_array(path, member) for member in ("x", "y"))
    if len(features) != len(target):
        raise ValueError(f"{len(features)} rows have {len(target)} prices")
    count = len(target) if dataset.version == "large" else min(SMALL, len(target))
    order = np.arange(count)
    np.random.RandomState(SEED).shuffle(order)
    features, target = features[order].astype(np.float32), target[order]
    cut = int(count * (1 - TEST_SHARE))
    return held_rows(features[:cut], target[:cut]), held_rows(features[cut:], target[cut:])
