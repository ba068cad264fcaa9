"""Images in class folders."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from ridgeline.api.features import ImageFeatures
from ridgeline.formats import open_images
from worker.engine.data.sources.rows import Chunk, RawRows, chunk_rows
from worker.engine.data.sources.stored.snapshot import Snapshot

_MOST_THREADS = 8


def image_rows(snapshot: Snapshot) -> RawRows:
    """Images (height, width, channels) as bytes; the target is the index of their folder."""
    folder = snapshot.stored.images
    classes = tuple(count.value for count in folder.classes) if folder else ()
    with open_images(snapshot.file) as images:
        target = np.array([entry.class_index for entry in images.entries], np.int64)
        if images.classes != classes or len(target) != snapshot.stored.rows:
            raise ValueError(f"it holds {len(target)} images in {len(images.classes)} folders")
    height, width, channels = snapshot.shape.features
    size = ImageFeatures(height=height, width=width, channels=channels)
    return RawRows(
        target,
        snapshot.shape.features,
        snapshot.dtype,
        partial(_chunks, snapshot),
        encoding=snapshot.encoding(classes, image=size),
    )


def _chunks(snapshot: Snapshot) -> Iterator[Chunk]:
    """The images, decoded by one thread per core: Pillow releases the lock."""
    step = chunk_rows(snapshot.shape.row_bytes)
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    height, width, channels = snapshot.shape.features
    with open_images(snapshot.file) as images, ThreadPoolExecutor(threads) as pool:
        decode = partial(images.decode, height=height, width=width, channels=channels)
        for start in range(0, len(images.entries), step):
            yield start, np.stack(list(pool.map(decode, images.entries[start : start + step])))
