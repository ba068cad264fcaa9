"""A job as the client returns it: one that a notebook shows as its live chart."""

from typing import Any, Self

from pydantic import PrivateAttr

from ridgeline.api.job import Job
from ridgeline.client.progress import Progress
from ridgeline.client.views import JobView


class LiveJob(Job):
    """A Job that knows the client it came from, and is otherwise the same.

    What it says is as it was when it was fetched; only what a notebook shows of it goes on.
    """

    _client: Progress | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, job: Job, client: Progress) -> "LiveJob":
        """The same job, which `client` can show."""
        live = cls.model_construct(job.model_fields_set, **dict(job))
        live.__pydantic_private__ = {"_client": client}
        return live

    def __repr_name__(self) -> str:
        return Job.__name__

    def __getstate__(self) -> dict[Any, Any]:
        # A client holds connections: a pickled job goes without, and shows nothing.
        return super().__getstate__() | {"__pydantic_private__": {"_client": None}}

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        kept = {} if memo is None else memo
        kept[id(self._client)] = self._client
        return super().__deepcopy__(kept)

    def _ipython_display_(self) -> None:
        if self._client is None:
            raise NotImplementedError  # IPython's word for: show it as any other object
        JobView(self._client, self)._ipython_display_()
