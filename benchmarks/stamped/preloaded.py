"""What the forkserver imports: as worker.trainer.preloaded, with the engine of this package."""

from worker.trainer.forkserver import ENGINE, preload

preload((*ENGINE, "benchmarks.stamped.engine"))
