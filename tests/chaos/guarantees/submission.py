"""Guarantees about the responses to POST."""

from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from tests.chaos.evidence import Evidence
from tests.chaos.guarantees.guarantee import Look, guarantee


@guarantee("1", "a job acknowledged with 202 exists")
def acknowledged_jobs_exist(evidence: Evidence) -> Iterator[Look]:
    """Every acknowledged job has a row, which is that of the posted job."""
    for entry in evidence.successes("post"):
        job_id, label = entry.detail["job"], entry.detail["label"]
        story = evidence.stories.get(job_id)
        if story is None:
            yield Look(job_id, f"POST of {label} returned it, but it does not exist")
        elif story.work.label != label:
            yield Look(job_id, f"POST of {label} returned it, but it is another job")
        else:
            yield Look(job_id)


@guarantee("3a", "an idempotency key creates one job, a POST at most one")
def posts_make_one_job(evidence: Evidence) -> Iterator[Look]:
    """A label has at most as many jobs as POSTs, and one job if it had a key."""
    posts = Counter(e.detail["label"] for e in evidence.history if e.action == "post")
    keyed = {e.detail["label"] for e in evidence.history if e.action == "post" and e.detail["key"]}
    jobs = Counter(story.work.label for story in evidence.stories.values())
    for label in posts | jobs:
        most = 1 if label in keyed else posts[label]
        broken = jobs[label] > most
        yield Look(
            label,
            f"{posts[label]} POSTs created {jobs[label]} jobs, not {most}" if broken else None,
        )


@guarantee("12", "no response is an internal error")
def no_internal_errors(evidence: Evidence) -> Iterator[Look]:
    """The only 5xx status is 503 while a dependency is down."""
    for entry in evidence.history:
        code = entry.detail.get("code")
        if code is None:
            continue
        broken = code >= HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.SERVICE_UNAVAILABLE
        job = str(entry.detail.get("job") or entry.detail.get("label"))
        yield Look(job, f"{entry.action} returned {code}" if broken else None)
