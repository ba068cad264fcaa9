"""Rows in: sources, split, scaling, target encoding."""

from worker.engine.data.part import Part
from worker.engine.data.prepare import Data, prepare_data

__all__ = ["Data", "Part", "prepare_data"]
