"""Rows in: sources, split, scaling, target encoding."""

from worker.engine.data.prepare import Data, Part, prepare_data

__all__ = ["Data", "Part", "prepare_data"]
