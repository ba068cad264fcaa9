"""What Tab offers: ids and names that the service knows.

A person waits for it, so it is asked without the client, whose contract takes half a second to
import, for little, and once. Whatever goes wrong, nothing is offered and nothing is said.
"""

import json
from typing import Any

import typer

from ridgeline.cli.errors import CommandError
from ridgeline.cli.figures import short
from ridgeline.cli.references import JOB, identifier

_PATIENCE_S = 1.0
_OFFERED = 20

Offer = tuple[str, str]


def complete_jobs(context: typer.Context, incomplete: str) -> list[Offer]:
    """The newest jobs: the ends of their ids, or whole ids behind `job_`."""
    found = ((job["id"], f"{job['name'] or ''} {job['status']}".strip()) for job in _jobs(context))
    return _ids(incomplete, list(found))


def complete_datasets(context: typer.Context, incomplete: str) -> list[Offer]:
    """The newest data sets."""
    found = _items(context, f"/datasets?limit={_OFFERED}")
    return _ids(incomplete, [(each["id"], each["name"]) for each in found])


def complete_presets(context: typer.Context, incomplete: str) -> list[Offer]:
    """The names of the presets."""
    return _names(incomplete, _items(context, "/presets"))


def complete_artifacts(context: typer.Context, incomplete: str) -> list[Offer]:
    """The files of the job that was named before."""
    jobs = {job["id"]: job for job in _jobs(context)}
    try:
        job = jobs[identifier(str(context.params.get("job")), JOB, lambda: jobs)]
    except (CommandError, KeyError):
        return []
    return _names(incomplete, job["artifacts"])


def _ids(incomplete: str, found: list[Offer]) -> list[Offer]:
    """The ends of ids, as they are typed by hand, and whole ids for who began one."""
    ends = [("@last", found[0][1])] if found else []
    ends += [(short(whole), says) for whole, says in found]
    offers = [*ends, *(found if incomplete else ())]
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def _names(incomplete: str, found: list[dict[str, Any]]) -> list[Offer]:
    return [(each["name"], "") for each in found if each["name"].startswith(incomplete)]


def _jobs(context: typer.Context) -> list[dict[str, Any]]:
    return _items(context, f"/jobs?limit={_OFFERED}")


def _items(context: typer.Context, path: str) -> list[dict[str, Any]]:
    """What the list at `path` holds; nothing where the service does not answer as it should."""
    url = str(context.params.get("url") or "")
    url = url if "://" in url else f"http://{url}"
    try:
        from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415 - --help needs none

        with build_opener(ProxyHandler({})).open(url.rstrip("/") + path, None, _PATIENCE_S) as got:
            answer = json.load(got)
        return list(answer["items"] if isinstance(answer, dict) else answer)
    except Exception:  # noqa: BLE001 - a traceback amid a command line helps nobody
        return []
