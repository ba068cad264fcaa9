"""Exports a model in several formats, and keeps only files that predict what it does."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import structlog
import tensorflow as tf

from ridgeline.spec.faults import pointer
from ridgeline.spec.outputs import OutputName
from worker.engine.context import ExportedFile, Reader, RefusedOutput, TrainingContext, Unreadable
from worker.engine.export.agreement import Agreement, Disagrees
from worker.engine.export.frozen import CannotHold
from worker.engine.export.keras_file import write_keras
from worker.engine.export.litert import write_litert
from worker.engine.export.onnx import write_onnx
from worker.engine.export.probes import Probes
from worker.engine.export.saved_model import write_saved_model
from worker.engine.export.weights import write_weights

Files = tuple[ExportedFile, ...]
Writer = Callable[[keras.Model, Path], Files]
#: By output: the ways to write it, in the order in which they are tried. train() writes
#: `tensorboard`, which holds no model.
WRITERS: Mapping[OutputName, tuple[Writer, ...]] = {
    "keras": (write_keras,),
    "weights": (write_weights,),
    "saved_model": (write_saved_model,),
    "litert": (write_litert, partial(write_litert, as_it_is=True)),
    "onnx": (write_onnx, partial(write_onnx, as_it_is=True)),
}
IN_SINGLE = frozenset({"litert", "onnx"})
"""Outputs that compute in single precision whatever was trained in."""
CONCURRENT_BYTES = 64 * 2**20
"""Weights up to which several formats are run at once; larger ones one by one, to save memory."""
_BYTES = 4
"""Of a parameter."""
_OF_THE_MACHINE = (OSError, MemoryError, tf.errors.ResourceExhaustedError)

log = structlog.get_logger()


class Exports(NamedTuple):
    """What came of the outputs of a spec."""

    files: Files
    refused: tuple[RefusedOutput, ...]


class CheckedExports:
    """Writes a model in several formats, has every file run on `probes`, and compares.

    A file that differs is written in the next way; an output that has no other is refused. While
    one file is run, the next is written, and after the constructor whatever the caller does.
    """

    def __init__(
        self,
        model: keras.Model,
        probes: Probes,
        outputs: Sequence[OutputName],
        context: TrainingContext,
    ) -> None:
        agreement = Agreement(model, probes)
        self._exports = [
            _Export(index, output, model, agreement, context)
            for index, output in enumerate(outputs)
            if output in WRITERS
        ]
        at_once = _BYTES * model.count_params() <= CONCURRENT_BYTES
        for export in self._exports:
            export.write()
            if not at_once:
                export.settle()

    def settle(self) -> Exports:
        """Wait for the results; after it, every file agrees or is gone."""
        for export in self._exports:
            export.settle()
        files = tuple(file for export in self._exports for file in export.files)
        refusals = [export.refusal for export in self._exports]
        return Exports(files, tuple(refusal for refusal in refusals if refusal is not None))


class _Export:
    """One output on its way: written in one way after another, until a file agrees."""

    def __init__(
        self,
        index: int,
        output: OutputName,
        model: keras.Model,
        agreement: Agreement,
        context: TrainingContext,
    ) -> None:
        self.files: Files = ()
        self.refusal: RefusedOutput | None = None
        self._output = output
        self._pointer = pointer("outputs", index)
        self._model = model
        self._agreement = agreement
        self._context = context
        self._reader: Reader | None = context.readers.get(output)
        self._ways = iter(WRITERS[output])
        self._fault = ""
        self._unchecked = False

    def write(self) -> None:
        """Write the files in the next way that works, and let the reader start; or refuse them."""
        for writer in self._ways:
            self._context.phase(f"exporting {self._output}")
            try:
                self.files = writer(self._model, self._context.workdir)
            except _OF_THE_MACHINE:
                raise
            except CannotHold as error:
                self._failed(f"{self._output} cannot hold the network: {error}")
            except Exception as error:  # noqa: BLE001 - a converter's bug costs this output only
                self._failed(f"the conversion failed with {type(error).__name__}: {error}")
            else:
                self._start()
                return
        self._refuse()

    def settle(self) -> None:
        """Wait until a file agrees, or refuse the output."""
        while self._unchecked and self._reader is not None:
            self._context.phase(f"checking {self._output}")
            try:
                self._agreement.check(self._reader, in_single=self._output in IN_SINGLE)
            except (Unreadable, Disagrees) as error:
                self._failed(f"{self.files[0].name} was run and rejected: {error}")
                self._drop()
                self.write()
            else:
                self._unchecked = False

    def _start(self) -> None:
        if self._reader is not None:
            self._agreement.start(self._reader, self._context.workdir)
            self._unchecked = True

    def _failed(self, fault: str) -> None:
        log.info("export_way_failed", output=self._output, because=fault)
        self._fault = self._fault or fault  # that of the best way

    def _drop(self) -> None:
        for file in self.files:
            file.path.unlink(missing_ok=True)
        self.files, self._unchecked = (), False

    def _refuse(self) -> None:
        log.warning("output_refused", pointer=self._pointer, because=self._fault)
        self.refusal = RefusedOutput(self._output, self._pointer, self._fault)
