"""The losses of a running job: rows of a table, and on a terminal a progress bar below them."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import EpochEvent, JobEvent, StatusEvent
from ridgeline.api.job import JobStatus
from ridgeline.cli.printing import duration, number, printable
from ridgeline.cli.views.jobs import status_text

_LOSSES = ("loss", "data_loss", "penalty", "val_data_loss", "gap")
_VALIDATION = "val_"
_MIN_WIDTH = 8
_EPOCH_WIDTH = 7
#: About how many rows are printed, however long the training is.
_ROWS = 20
_STEPS = (1, 2, 5)
_REFRESHES_PER_S = 8
#: Values between these are printed with four decimals.
_SMALL, _LARGE = 1e-3, 1e4


class LossView:
    """A context manager that shows the bar during its block.

    Rows are printed for the first epoch, every n-th, and the last; the bar shows the newest row
    above it.
    """

    def __init__(self, console: Console, epochs: int, *, every: int | None = None) -> None:
        self._console = console
        self._epochs = epochs
        self._every = every or _every(epochs)
        self._columns: tuple[str, ...] = ()
        self._printed: int | None = None
        self._newest: EpochRow | None = None
        self._rate = _Rate()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(f"{{task.completed:.0f}}/{epochs} epochs"),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=epochs, left="")
        self._live = Live(
            console=console,
            get_renderable=self._below,
            refresh_per_second=_REFRESHES_PER_S,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or self._newest is not None:
            self._print_newest()
        self._live.stop()

    def show(self, event: JobEvent) -> None:
        """Show an event. After a resume an epoch may be shown again."""
        if isinstance(event, EpochEvent):
            self._show_epoch(event.row)
        else:
            self._show_status(event)

    def _show_status(self, event: StatusEvent) -> None:
        self._bar.update(self._task, description=event.after.value)
        if event.before is None or event.after.terminal:
            return  # the caller prints the first and the last status
        text = Text.assemble(status_text(event.after))
        if event.after is JobStatus.RUNNING and event.attempt > 1:
            text.append(f", attempt {event.attempt}")
            self._printed = None  # the attempt may start with the last epoch printed
        if event.after is JobStatus.PAUSED:
            text.append("; `ridgeline resume` continues it")
        self._console.print(text, soft_wrap=True)

    def _show_epoch(self, row: EpochRow) -> None:
        self._newest = row
        self._rate.add(row)
        left = self._rate.left_s(self._epochs - row.epoch)
        self._bar.update(
            self._task, completed=row.epoch, left="" if left is None else f"{duration(left)} left"
        )
        if row.epoch == 1 or row.epoch % self._every == 0 or row.epoch == self._epochs:
            self._print_newest()

    def _print_newest(self) -> None:
        """Print the newest row, unless it has been printed; also the last one of an ended job."""
        row = self._newest
        if row is None or row.epoch == self._printed:
            return
        if not self._columns:
            self._columns = _columns(row)
            self._console.print(Text(_line("epoch", self._columns, self._columns), "bold"))
        self._console.print(Text(self._row(row)))
        self._printed = row.epoch

    def _row(self, row: EpochRow) -> str:
        values = [_number(row.values.get(name)) for name in self._columns]
        return _line(str(row.epoch), self._columns, values)

    def _below(self) -> Group | Progress:
        if self._newest is None or self._newest.epoch == self._printed:
            return Group(self._bar)
        return Group(Text(self._row(self._newest), "dim"), self._bar)


class _Rate:
    """The duration of an epoch: an exponential moving average."""

    _WEIGHT = 0.2

    def __init__(self) -> None:
        self._seconds: float | None = None

    def add(self, row: EpochRow) -> None:
        before = row.seconds if self._seconds is None else self._seconds
        self._seconds = before + self._WEIGHT * (row.seconds - before)

    def left_s(self, epochs: int) -> float | None:
        """The seconds that this many epochs take."""
        return None if self._seconds is None or epochs <= 0 else epochs * self._seconds


def _every(epochs: int) -> int:
    """The smallest round step that prints no more than _ROWS of the epochs."""
    scale = 1
    while True:
        for step in _STEPS:
            if epochs <= _ROWS * step * scale:
                return step * scale
        scale *= 10


def _columns(row: EpochRow) -> tuple[str, ...]:
    """The losses, and the first metric on the validation rows that is not a loss."""
    metrics = [
        name
        for name in row.values
        if name.startswith(_VALIDATION) and name.removeprefix(_VALIDATION) not in {*_LOSSES, "gap"}
    ]
    return (*_LOSSES, *metrics[:1])


def _line(epoch: str, columns: Sequence[str], cells: Sequence[str]) -> str:
    padded = (
        printable(cell).rjust(max(len(column), _MIN_WIDTH) + 2)
        for column, cell in zip(columns, cells, strict=True)
    )
    return f"{epoch:>{_EPOCH_WIDTH}}{''.join(padded)}"


def _number(value: float | None) -> str:
    """Four decimals, so that columns align, except for very small and very large values."""
    if value is None or not _SMALL <= abs(value) < _LARGE:
        return number(value)
    return f"{value:.4f}"
