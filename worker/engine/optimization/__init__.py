"""The optimizer of a spec, and its step as a few kernels."""

from worker.engine.optimization.build import build_optimizer
from worker.engine.optimization.step import apply_gradients, finalize

__all__ = ["apply_gradients", "build_optimizer", "finalize"]
