"""What watches the epochs: state machines that a checkpoint can hold."""

from worker.engine.callbacks import EarlyStopping, Judgement
from worker.engine.plateau import Plateau

__all__ = ["EarlyStopping", "Judgement", "Plateau"]
