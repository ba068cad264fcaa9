"""Prepares the forkserver's process when imported: see worker.trainer.forkserver.preload."""

from worker.trainer.forkserver import preload

preload()
