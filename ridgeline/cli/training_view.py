"""Shows the losses of a job as they come: rows of a table, and a bar below them on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from ridgeline.contract.curves import Curves

COLUMNS = ("loss", "data_loss", "penalty", "val_data_loss", "val_accuracy")
#: Every so many epochs become a row; the bar shows the others.
ROW_EVERY = 5
_LEAST_WIDTH = 10


class TrainingView:
    """A context manager: the bar is there while the block lasts."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[newest]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, status: str, epochs: int, curves: Curves) -> None:
        """Bring the view up to what `curves` holds of the `epochs` asked for."""
        if self._task is None:
            self._task = self._bar.add_task("", total=epochs, newest="")
        newest = _losses(curves, -1) if curves.epoch else ""
        done = curves.epoch[-1] if curves.epoch else 0
        self._bar.update(self._task, description=status, completed=done, newest=newest)
        for index, epoch in enumerate(curves.epoch):
            if epoch > self._shown and (epoch % ROW_EVERY == 0 or epoch in (1, epochs)):
                self._print_row(epoch, curves, index)
        self._shown = max(self._shown, done)

    def _print_row(self, epoch: int, curves: Curves, index: int) -> None:
        if epoch == 1 or self._shown == 0 == index:
            heading = "".join(name.rjust(_width(name)) for name in COLUMNS)
            self._console.print(f"  epoch{heading}", highlight=False)
        numbers = [_number(curves, name, index).rjust(_width(name)) for name in COLUMNS]
        self._console.print(f"  {epoch:5d}{''.join(numbers)}", highlight=False)


def _width(name: str) -> int:
    return max(len(name) + 2, _LEAST_WIDTH)


def _losses(curves: Curves, index: int) -> str:
    shown = ("loss", "val_data_loss")
    return "  ".join(f"{name} {_number(curves, name, index)}" for name in shown)


def _number(curves: Curves, name: str, index: int) -> str:
    values = curves.series.get(name, ())
    value = values[index] if values else None
    return "–" if value is None else f"{value:.4f}"
