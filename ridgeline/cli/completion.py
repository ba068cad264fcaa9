"""Shell completion: ids and names that the service knows.

The user is waiting, so it sends one small request, without the client, which takes half a second to
import. If anything goes wrong, it offers nothing and prints nothing.
"""

import json
from typing import Any

import typer

from ridgeline.cli.errors import CommandError
from ridgeline.cli.references import JOB, identifier, short

_TIMEOUT_S = 1.0
_OFFERED = 20

Offer = tuple[str, str]


def complete_jobs(context: typer.Context, incomplete: str) -> list[Offer]:
    """The newest jobs: the ends of their ids, or whole ids after `job_`."""
    jobs = [(job["id"], f"{job['name'] or ''} {job['status']}".strip()) for job in _jobs(context)]
    return _ids(incomplete, jobs)


def complete_datasets(context: typer.Context, incomplete: str) -> list[Offer]:
    """The newest data sets."""
    datasets = _items(context, f"/datasets?limit={_OFFERED}")
    return _ids(incomplete, [(dataset["id"], dataset["name"]) for dataset in datasets])


def complete_presets(context: typer.Context, incomplete: str) -> list[Offer]:
    """The names of the presets."""
    return _names(incomplete, _items(context, "/presets"))


def complete_artifacts(context: typer.Context, incomplete: str) -> list[Offer]:
    """The files of the job that precedes them on the command line."""
    jobs = {job["id"]: job for job in _jobs(context)}
    try:
        job = jobs[identifier(str(context.params.get("job")), JOB, lambda: jobs)]
    except (CommandError, KeyError):
        return []
    return _names(incomplete, job["artifacts"])


def _ids(incomplete: str, newest: list[Offer]) -> list[Offer]:
    """The ends of ids, as they are typed by hand, and whole ids once one was begun."""
    ends = [("@last", newest[0][1])] if newest else []
    ends += [(short(id_), description) for id_, description in newest]
    offers = [*ends, *(newest if incomplete else ())]
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def _names(incomplete: str, items: list[dict[str, Any]]) -> list[Offer]:
    return [(item["name"], "") for item in items if item["name"].startswith(incomplete)]


def _jobs(context: typer.Context) -> list[dict[str, Any]]:
    return _items(context, f"/jobs?limit={_OFFERED}")


def _items(context: typer.Context, path: str) -> list[dict[str, Any]]:
    """The items of the list at `path`; none if the request fails."""
    url = str(context.params.get("url") or "")
    url = url if "://" in url else f"http://{url}"
    try:
        from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415 - --help needs none

        opener = build_opener(ProxyHandler({}))
        with opener.open(url.rstrip("/") + path, None, _TIMEOUT_S) as response:
            document = json.load(response)
        return list(document["items"] if isinstance(document, dict) else document)
    except Exception:  # noqa: BLE001 - a traceback amid a command line helps nobody
        return []
