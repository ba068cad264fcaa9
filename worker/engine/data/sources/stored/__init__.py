"""Rows of stored data sets: tables, arrays, images."""

from worker.engine.data.sources.stored.reading import stored_rows

__all__ = ["stored_rows"]
