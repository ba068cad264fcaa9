"""Images in class folders: which size they are brought to."""

from collections.abc import Iterator
from typing import Final

from ridgeline.planning.dataset.outcome import Reading, fault, misplaced, refuse
from ridgeline.planning.dataset.target import class_faults
from ridgeline.spec.dataset.contents import ImageFolder
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import (
    DatasetSnapshot,
    ImageSize,
    UploadOptions,
)
from ridgeline.spec.faults import Fault

GREY: Final = 1
COLOURS: Final = 3
LEVELS = 256
MAX_SIDE = 4096


def read_images(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out the size; raises SpecError where the images have not all the same."""
    folder = stored.images
    if folder is None:
        raise ValueError("expected what images have in common in the snapshot, received null")
    asked = options.image or ImageSize()
    refuse(
        _option_faults(options),
        _size_faults(asked, folder),
        class_faults([each.value for each in folder.classes], "id"),
    )
    height, width = asked.height or folder.height[0], asked.width or folder.width[0]
    channels = asked.channels or (GREY if folder.channels == (GREY,) else COLOURS)
    scaling = "unit" if options.scaling == "auto" else options.scaling
    spelled_out = {
        "task": "classification",
        "image": ImageSize(height=height, width=width, channels=channels),
        "scaling": scaling,
    }
    shape = DatasetShape(
        rows=stored.rows,
        features=(height, width, channels),
        classes=len(folder.classes),
        bytes_per_number=1,
        tokens=LEVELS if scaling == "none" else None,
    )
    return Reading(spelled_out, shape)


def _option_faults(options: UploadOptions) -> Iterator[Fault]:
    said = {
        "target": options.target is not None,
        "features": options.features is not None,
        "encodings": bool(options.encodings),
    }
    yield from misplaced(said, "images, and their folders are the classes")
    if options.task == "regression":
        detail = 'expected "classification": the folders of images are classes'
        yield fault("task", detail=detail, rule="task-fits-target")
    if options.scaling == "minmax":
        detail = 'expected "unit", "standard" or "none" for images'
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def _size_faults(asked: ImageSize, folder: ImageFolder) -> Iterator[Fault]:
    sides = {"height": (asked.height, folder.height), "width": (asked.width, folder.width)}
    for name, (side, (least, most)) in sides.items():
        if side is None and (least != most or most > MAX_SIDE):
            detail = (
                f"expected the {name} that all images are brought to, at most {MAX_SIDE} pixels;"
                f" theirs are {least} to {most}"
            )
            yield fault("image", name, detail=detail, rule="image-size")
