"""How a row of a user's file becomes what the saved model takes."""

from pathlib import Path

from worker.engine.context import ExportedFile
from worker.engine.data import Data


def write_features(data: Data, folder: Path) -> tuple[ExportedFile, ...]:
    """Write `features.json`, a contract.features.RowEncoding, where the file is a user's."""
    if data.row_encoding is None:
        return ()
    path = folder / "features.json"
    path.write_text(data.row_encoding.model_dump_json(exclude_none=True), encoding="utf-8")
    return (ExportedFile(path, "application/json"),)
