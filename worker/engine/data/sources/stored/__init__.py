"""Rows of uploaded data sets: tables, arrays, images."""

from worker.engine.data.sources.stored.reading import upload_rows

__all__ = ["upload_rows"]
