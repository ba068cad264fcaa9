"""The forkserver's imports: those of worker.trainer.preloaded and this package's engine."""

from worker.trainer.forkserver import ENGINE, preload

preload((*ENGINE, "benchmarks.stamped.engine"))
