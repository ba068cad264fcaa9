"""The imports of the rig's forkserver: worker.trainer.preloaded without TensorFlow."""

from worker.trainer.preload import preload

preload(("worker.trainer.child", "tests.rig.worker.engine"))
