"""Curves as pictures, and jobs side by side."""

from typing import Any, Literal, TypedDict, Unpack, overload

import httpx
from pydantic import RootModel

from ridgeline.api.comparison import Comparison
from ridgeline.api.curves import ChartEntry, Theme
from ridgeline.client.answers import read, read_object
from ridgeline.client.part import Part
from ridgeline.client.transport import job_path

ChartFormat = Literal["svg", "png", "vega-lite"]

_MEDIA_TYPES: dict[ChartFormat, str] = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "vega-lite": "application/vnd.vegalite+json",
}


class Look(TypedDict, total=False):
    """How a chart is to look; what is left out is the service's choice."""

    theme: Theme
    """`light` or `dark`."""
    width: int
    """Of the picture, in pixels, as is `height`."""
    height: int
    scale: float
    """The pixels of a PNG, as a multiple: 2 for a sharp screen."""
    max_points: int
    """At most so many epochs, those among them at which a series is extreme."""


class _Charts(RootModel[tuple[ChartEntry, ...]]):
    """What GET /jobs/{id}/charts answers."""


class Charts(Part):
    """The part of the client that brings pictures, and jobs side by side."""

    def charts(self, job_id: str) -> tuple[ChartEntry, ...]:
        """List the charts of a job, and whether there is something to draw yet.

        Raises NotFoundError.
        """
        return read(_Charts, self._service.send("GET", job_path(job_id, "charts"))).root

    @overload
    def chart(
        self,
        job_id: str,
        name: str = ...,
        *,
        format: Literal["svg", "png"] = ...,
        **look: Unpack[Look],
    ) -> bytes: ...

    @overload
    def chart(
        self, job_id: str, name: str = ..., *, format: Literal["vega-lite"], **look: Unpack[Look]
    ) -> dict[str, Any]: ...

    @overload
    def chart(
        self, job_id: str, name: str = ..., *, format: ChartFormat, **look: Unpack[Look]
    ) -> bytes | dict[str, Any]: ...

    def chart(
        self,
        job_id: str,
        name: str = "losses",
        *,
        format: ChartFormat = "svg",  # noqa: A002 - the word a user looks for
        **look: Unpack[Look],
    ) -> bytes | dict[str, Any]:
        """Get a chart of a job: a picture as bytes, or its Vega-Lite definition with its data.

        >>> Path("losses.png").write_bytes(client.chart(job.id, format="png", scale=2))
        >>> altair.Chart.from_dict(client.chart(job.id, "penalty", format="vega-lite"))

        Args:
            job_id: the job.
            name: `losses`, `accuracy`, `penalty`, `weights` or `learning_rate`.
            format: `svg`, `png` or `vega-lite`.
            look: `theme`, `width`, `height`, `scale` and `max_points`; see `Look`.

        Raises NotFoundError where there is no such job or chart, and InvalidRequestError for a
        size that is not drawn.
        """
        return self._picture(job_path(job_id, "charts", name), format, dict(look))

    def compare(self, *job_ids: str, max_points: int | None = None) -> Comparison:
        """Set 2 to 20 jobs side by side: what their specs say differently, and their curves.

        >>> comparison = client.compare(plain.id, with_l2.id)
        >>> for difference in comparison.differences:
        ...     print(difference.label, difference.values)

        With `max_points` about so many epochs of each. Raises NotFoundError, and
        InvalidRequestError for fewer jobs, or more.
        """
        query = _query(job_ids, {} if max_points is None else {"max_points": max_points})
        headers = {"Accept": "application/json"}
        return read(
            Comparison, self._service.send("GET", "/compare", params=query, headers=headers)
        )

    @overload
    def compare_chart(
        self,
        *job_ids: str,
        measure: str = ...,
        format: Literal["svg", "png"] = ...,
        **look: Unpack[Look],
    ) -> bytes: ...

    @overload
    def compare_chart(
        self,
        *job_ids: str,
        measure: str = ...,
        format: Literal["vega-lite"],
        **look: Unpack[Look],
    ) -> dict[str, Any]: ...

    @overload
    def compare_chart(
        self, *job_ids: str, measure: str = ..., format: ChartFormat, **look: Unpack[Look]
    ) -> bytes | dict[str, Any]: ...

    def compare_chart(
        self,
        *job_ids: str,
        measure: str = "loss",
        format: ChartFormat = "svg",  # noqa: A002 - as in `chart`
        **look: Unpack[Look],
    ) -> bytes | dict[str, Any]:
        """Get the curves of 2 to 20 jobs in one chart, as `chart` gets those of one.

        `measure` is `loss`, which leaves the penalty out, or a metric such as `accuracy`.

        Raises NotFoundError and InvalidRequestError.
        """
        return self._picture("/compare", format, _query(job_ids, {"measure": measure, **look}))

    def _picture(
        self, path: str, format_: ChartFormat, query: dict[str, Any]
    ) -> bytes | dict[str, Any]:
        if format_ not in _MEDIA_TYPES:
            raise ValueError(
                f"expected a format of {', '.join(_MEDIA_TYPES)}, received {format_!r}"
            )
        headers = {"Accept": _MEDIA_TYPES[format_]}
        answer: httpx.Response = self._service.send("GET", path, params=query, headers=headers)
        return read_object(answer) if format_ == "vega-lite" else answer.content


def _query(job_ids: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": ",".join(job_ids), **asked}
