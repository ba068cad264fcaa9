"""What training goes on from after a crash or a drain: a file format of our own, and its folder."""

from worker.engine.checkpoint.format import UnusableCheckpoint
from worker.engine.checkpoint.store import Checkpoint, CheckpointStore, Keeper, fingerprint

__all__ = ["Checkpoint", "CheckpointStore", "Keeper", "UnusableCheckpoint", "fingerprint"]
