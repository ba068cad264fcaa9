"""Guarantees about what a client was answered when it posted a job."""

from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from tests.chaos.evidence import Evidence
from tests.chaos.guarantees.guarantee import Look, guarantee


@guarantee("1", "a job that was answered with 202 is there")
def acknowledged_jobs_exist(evidence: Evidence) -> Iterator[Look]:
    """Every job whose POST was answered has a row, and it is the job that was posted."""
    for entry in evidence.answered("post"):
        job_id, label = entry.detail["job"], entry.detail["label"]
        story = evidence.stories.get(job_id)
        if story is None:
            yield Look(job_id, f"POST of {label} was answered with it, and it does not exist")
        elif story.work.label != label:
            yield Look(job_id, f"it was answered to the POST of {label}, and is another")
        else:
            yield Look(job_id)


@guarantee("3a", "an idempotency key makes one job, a POST at most one")
def posts_make_one_job(evidence: Evidence) -> Iterator[Look]:
    """There are no more jobs of a label than there were POSTs of it, and one if it had a key."""
    posts = Counter(e.detail["label"] for e in evidence.history if e.action == "post")
    keyed = {e.detail["label"] for e in evidence.history if e.action == "post" and e.detail["key"]}
    jobs = Counter(story.work.label for story in evidence.stories.values())
    for label in posts | jobs:
        most = 1 if label in keyed else posts[label]
        broken = jobs[label] > most
        yield Look(
            label, f"{posts[label]} POSTs made {jobs[label]} jobs, not {most}" if broken else None
        )


@guarantee("12", "no answer is an internal error")
def no_internal_errors(evidence: Evidence) -> Iterator[Look]:
    """Whatever was away, the API said that it was, or why not."""
    for entry in evidence.history:
        code = entry.detail.get("code")
        if code is None:
            continue
        broken = code >= HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.SERVICE_UNAVAILABLE
        job = str(entry.detail.get("job") or entry.detail.get("label"))
        yield Look(job, f"{entry.action} was answered with {code}" if broken else None)
