"""Checkpoints, from which training resumes after a crash or a drain: file format and folder."""

from worker.engine.checkpoint.format import UnusableCheckpoint
from worker.engine.checkpoint.store import Checkpoint, CheckpointStore, Keeper, fingerprint

__all__ = ["Checkpoint", "CheckpointStore", "Keeper", "UnusableCheckpoint", "fingerprint"]
