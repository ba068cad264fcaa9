"""The trained model in the formats a spec asks for, one file per format."""

from worker.engine.export.write import Exporting

__all__ = ["Exporting"]
