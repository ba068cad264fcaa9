"""Importing this turns a process into the forkserver's likeness: see worker.preload."""

from worker.preload import preload

preload()
