"""Jobs by the command line: submit, list, show, change, delete."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ridgeline.cli.errors import ExitCode
from ridgeline.cli.references import short
from tests.integration.cli.conftest import SPEC, Ridgeline, train
from tests.integration.client.conftest import Worker

pytestmark = pytest.mark.servers

Submitted = Callable[..., str]


class TestSubmit:
    def test_file_is_submitted(self, ridgeline: Ridgeline, spec: Path) -> None:
        ended = ridgeline("submit", str(spec))
        assert ended.code == ExitCode.OK
        assert ended.lines[0].startswith("job_")
        assert ended.lines[0].endswith("queued")

    def test_standard_input_with_settings(self, ridgeline: Ridgeline) -> None:
        settings = ["--set", "training.epochs=4", "--set", "tags=[]", "--set", "name=tried again"]
        settings += ["--set", "model.layers.0.units=5"]
        ended = ridgeline("submit", "-", "--json", *settings, stdin=json.dumps(SPEC))
        assert ended.code == ExitCode.OK
        job = ended.json
        assert job["spec"]["training"]["epochs"] == 4
        assert job["spec"]["model"]["layers"][0]["units"] == 5
        assert (job["name"], job["tags"]) == ("tried again", [])

    def test_same_key_returns_the_first_job(self, ridgeline: Ridgeline, spec: Path) -> None:
        once, again = (ridgeline("submit", str(spec), "--json", "--key", "k") for _ in range(2))
        assert once.json["id"] == again.json["id"]
        other = ridgeline("submit", str(spec), "--key", "k", "--set", "name=other")
        assert other.code == ExitCode.CONFLICT

    def test_preset_is_piped_into_submit(self, ridgeline: Ridgeline) -> None:
        shown = ridgeline("presets", "show", "imdb_mlp", "--set", "rate=0.4", "--json")
        ended = ridgeline("submit", "-", "--json", stdin=shown.out)
        assert ended.code == ExitCode.OK
        assert ended.json["spec"]["model"] == shown.json["model"]
        assert shown.json["model"]["rate"] == 0.4

    def test_faults_are_printed_with_their_lines(self, ridgeline: Ridgeline, spec: Path) -> None:
        document = {**SPEC, "model": {"layers": [{"type": "Dense", "units": 0}]}, "extra": 1}
        text = json.dumps(document, indent=2)
        spec.write_text(text)
        ended = ridgeline("submit", str(spec), "--set", "name=1")
        assert (ended.code, ended.out) == (ExitCode.FAILED, "")
        line = text.splitlines().index('        "units": 0') + 1
        assert f"  {spec}:{line}: /model/layers/0/units: " in ended.err
        assert "  --set: /name: " in ended.err
        assert f"  {spec}:{len(text.splitlines()) - 1}: /extra: " in ended.err
        assert ended.err.startswith("ridgeline: The spec cannot be trained:\n")


class TestValidate:
    def test_resolved_spec_is_shown(self, ridgeline: Ridgeline, spec: Path) -> None:
        ended = ridgeline("validate", str(spec), "--set", "regularization.dropout.rate=0.7")
        assert ended.code == ExitCode.OK
        assert "The spec can be trained." in ended.lines
        assert "Dropout(0.7)" in ended.out
        assert "info  /regularization/dropout/rate" in ended.lines
        as_json = ridgeline("validate", str(spec), "--json").json
        assert as_json["parameters"]["total"] > 0

    def test_faults_as_json(self, ridgeline: Ridgeline, spec: Path) -> None:
        ended = ridgeline("validate", str(spec), "--set", "training.epochs=0", "--json")
        assert ended.code == ExitCode.FAILED
        assert [fault["pointer"] for fault in ended.json["errors"]] == ["/training/epochs"]
        assert "/training/epochs: " in ended.err
        assert "jobs" not in ridgeline("jobs", "--tag", "none such", "--json").out


class TestList:
    def test_newest_first_and_filtered(self, ridgeline: Ridgeline, submitted: Submitted) -> None:
        ids = [submitted('tags=["listed"]', f"name=job {n}") for n in range(3)]
        ridgeline("cancel", ids[0])
        listed = ridgeline("jobs", "--tag", "listed", "--json").json
        assert [job["id"] for job in listed] == ids[::-1]
        waiting = ridgeline("jobs", "--tag", "listed", "--status", "queued", "-n", "1", "--json")
        assert [job["id"] for job in waiting.json] == [ids[2]]
        both = ridgeline("jobs", "--tag", "listed", "--status", "queued", "--status", "cancelled")
        assert len(both.lines) == 4
        assert both.lines[0].split()[:4] == ["id", "name", "status", "epoch"]
        assert both.lines[1].split()[:5] == [short(ids[2]), "job", "2", "queued", "0/3"]

    def test_no_match_is_reported(self, ridgeline: Ridgeline) -> None:
        ended = ridgeline("jobs", "--tag", "unused")
        assert (ended.code, ended.out, ended.err) == (ExitCode.OK, "", "No jobs match.\n")
        assert ridgeline("jobs", "--tag", "unused", "--json").json == []


class TestShow:
    def test_page(self, ridgeline: Ridgeline, submitted: Submitted, worker: Worker) -> None:
        job_id = submitted("name=a name", 'tags=["a", "b"]')
        train(worker, job_id, model_keras=b"model")
        lines = ridgeline("show", short(job_id)).lines
        assert lines[0] == f"{job_id}  a name"
        assert "tags       a, b" in lines
        assert any(line.startswith("penalties  l2 0.001 on ") for line in lines)
        assert any(line.startswith("model.keras   5 B  9372c470eeadd5ecd9") for line in lines)
        assert all(line == line.rstrip() for line in lines)

    def test_json_is_the_service_response(self, ridgeline: Ridgeline, submitted: Submitted) -> None:
        """In a spec, null and a missing member differ."""
        job_id = submitted()
        shown = ridgeline("show", job_id, "--json").json
        assert "kernel_regularizer" not in shown["spec"]["model"]["layers"][0]
        again = ridgeline("submit", "-", "--json", stdin=json.dumps(shown["spec"])).json
        assert again["resolved"] == shown["resolved"]

    def test_references_by_part_of_the_id(self, ridgeline: Ridgeline, submitted: Submitted) -> None:
        before, last = submitted(), submitted()
        assert ridgeline("show", "@last", "--json").json["id"] == last
        assert ridgeline("show", "@last~1", "--json").json["id"] == before
        assert ridgeline("show", short(before), "--json").json["id"] == before
        assert ridgeline("show", last[:-3], "--json").json["id"] == last
        ambiguous = ridgeline("show", last[:8])
        assert ambiguous.code == ExitCode.USAGE
        assert before in ambiguous.err
        assert ridgeline("show", "xyz").code == ExitCode.USAGE
        assert ridgeline("show", "job_" + "0" * 32).code == ExitCode.NOT_FOUND
        assert ridgeline("show", "0000000000").code == ExitCode.NOT_FOUND
        assert ridgeline("show", "@last~999").code == ExitCode.NOT_FOUND


class TestAttempts:
    def test_attempts_of_a_job(
        self, ridgeline: Ridgeline, submitted: Submitted, worker: Worker
    ) -> None:
        job_id = submitted()
        before = ridgeline("show", job_id, "--attempts")
        assert (before.code, before.out) == (ExitCode.OK, "")
        assert before.err == "No attempts yet: no worker has taken the job.\n"
        assert ridgeline("show", job_id, "--attempts", "--json").json == []
        train(worker, job_id)
        header, row = ridgeline("show", job_id, "--attempts").lines
        assert header.split()[:3] == ["attempt", "worker", "started"]
        assert row.split()[:2] == ["1", "test"]
        assert "completed" in row.split()
        (attempt,) = ridgeline("show", job_id, "--attempts", "--json").json
        assert (attempt["number"], attempt["outcome"], attempt["epochs"]) == (1, "completed", 3)


class TestChange:
    def test_pause_resume_cancel_delete(self, ridgeline: Ridgeline, submitted: Submitted) -> None:
        job_id = submitted()
        assert ridgeline("pause", job_id).lines == [f"{job_id}  small, paused"]
        assert ridgeline("resume", job_id, "--json").json["status"] == "queued"
        too_soon = ridgeline("delete", job_id, "--yes")
        assert (too_soon.code, too_soon.out) == (ExitCode.CONFLICT, "")
        assert ridgeline("cancel", job_id).lines == [f"{job_id}  small, cancelled"]
        unattended = ridgeline("delete", job_id)
        assert (unattended.code, unattended.err) == (
            ExitCode.USAGE,
            "ridgeline: cannot prompt without a terminal; pass --yes\n",
        )
        assert ridgeline("delete", job_id, "--yes", "--json").json == {"deleted": [job_id]}
        assert ridgeline("show", job_id).code == ExitCode.NOT_FOUND

    def test_invalid_reference_changes_no_job(
        self, ridgeline: Ridgeline, submitted: Submitted
    ) -> None:
        ids = [submitted(), submitted()]
        assert ridgeline("cancel", *ids, "xyz").code == ExitCode.USAGE
        statuses = [job["status"] for job in ridgeline("jobs", "-n", "2", "--json").json]
        assert statuses == ["queued", "queued"]
        assert [job["id"] for job in ridgeline("cancel", *ids, "--json").json] == ids

    def test_job_that_has_ended_cannot_be_cancelled(
        self, ridgeline: Ridgeline, submitted: Submitted, worker: Worker
    ) -> None:
        job_id = submitted()
        train(worker, job_id)
        ended = ridgeline("cancel", job_id)
        assert (ended.code, ended.out) == (ExitCode.CONFLICT, "")
        assert ended.err == "ridgeline: The job has already succeeded and cannot be cancelled.\n"
