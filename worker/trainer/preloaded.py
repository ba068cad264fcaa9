"""Importing this turns a process into the forkserver's likeness: see worker.trainer.preload."""

from worker.trainer.preload import preload

preload()
