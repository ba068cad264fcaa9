"""What watches the epochs: state machines that a checkpoint can hold."""

from worker.engine.callbacks.early_stopping import EarlyStopping, Judgement
from worker.engine.callbacks.plateau import Plateau

__all__ = ["EarlyStopping", "Judgement", "Plateau"]
