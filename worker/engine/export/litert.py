"""LiteRT, once TensorFlow Lite: phones, browsers, microcontrollers."""

from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from worker.engine.context import ExportedFile
from worker.engine.export.frozen import CannotHold, frozen_function


def write_litert(
    model: keras.Model, folder: Path, *, as_it_is: bool = False
) -> tuple[ExportedFile, ...]:
    """Write `model.tflite`, of LiteRT's built-in operations only; its batch axis can be resized.

    `as_it_is` keeps TensorFlow's own operations. Raises CannotHold where one is not among them.
    """
    function = frozen_function(model, as_it_is=as_it_is)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    # Else it writes a SavedModel into a temporary folder first.
    converter.experimental_lower_to_saved_model = False
    try:
        content = converter.convert()
    except ConverterError as error:
        raise CannotHold(_missing(error)) from error
    path = folder / "model.tflite"
    path.write_bytes(content)
    return (ExportedFile(path, "application/vnd.tflite"),)


def _missing(error: ConverterError) -> str:
    operations = sorted({found.operator.name for found in error.errors} - {""})
    return f"LiteRT lacks {', '.join(operations)}" if operations else str(error).partition("\n")[0]
