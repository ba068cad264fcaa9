"""Prepares the rig's forkserver, like worker.trainer.preloaded but without TensorFlow."""

from worker.trainer.forkserver import preload

preload(("worker.trainer.child", "tests.rig.worker.engine"))
