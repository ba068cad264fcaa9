"""A stored data set, as the API returns it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ridgeline.spec.dataset.contents import DatasetContents, DatasetId, Sha256
from ridgeline.spec.dataset.stored import DatasetSnapshot
from ridgeline.spec.schema import Contract


class StoredDataset(DatasetContents):
    """An uploaded data set as the API answers it."""

    id: DatasetId
    name: str
    bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256
    created_at: datetime

    def snapshot(self) -> DatasetSnapshot:
        """Return what a spec that names the data set holds of it."""
        kept = {name: getattr(self, name) for name in DatasetSnapshot.model_fields}
        return DatasetSnapshot(**kept)


class StoredDatasetPage(Contract):
    """One page of data sets, newest first."""

    items: tuple[StoredDataset, ...]
    next: str | None
    """Cursor for `after`, or null on the last page."""
