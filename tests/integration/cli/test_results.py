"""Results of a job by the command line: watch, curves, report, log, files."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from ridgeline.cli.errors import ExitCode
from ridgeline.cli.references import short
from tests.integration.cli.conftest import Ridgeline, train
from tests.integration.client.conftest import Worker

pytestmark = pytest.mark.servers

Submitted = Callable[..., str]


@pytest.fixture
def trained(submitted: Submitted, worker: Worker) -> str:
    """A job of three epochs that has succeeded."""
    job_id = submitted()
    train(worker, job_id, model_keras=b"model", split_npz=b"rows")
    return job_id


class TestWatch:
    def test_losses_are_printed_during_training(
        self, ridgeline: Ridgeline, submitted: Submitted, worker: Worker
    ) -> None:
        job_id = submitted()
        thread = Thread(target=train, args=(worker, job_id))
        thread.start()
        ended = ridgeline("watch", job_id)
        thread.join()
        assert (ended.code, ended.err) == (ExitCode.OK, "")
        assert ended.lines[0].startswith(f"{job_id}  small, ")
        assert [line.split() for line in ended.lines[-5:-1]] == [
            ["epoch", "loss", "data_loss", "penalty", "val_data_loss", "gap", "val_accuracy"],
            ["1", "1.2500", "1.0000", "0.2500", "2.0000", "1.0000", "0.5000"],
            ["2", "0.7500", "0.5000", "0.2500", "1.0000", "0.5000", "0.5000"],
            ["3", "0.5833", "0.3333", "0.2500", "0.6667", "0.3333", "0.5000"],
        ]
        assert ended.lines[-1].startswith("succeeded after ")

    def test_json_is_the_ended_job(self, ridgeline: Ridgeline, trained: str) -> None:
        ended = ridgeline("watch", trained, "--json")
        assert (ended.code, ended.json["status"]) == (ExitCode.OK, "succeeded")

    def test_ndjson_is_one_line_per_event(self, ridgeline: Ridgeline, trained: str) -> None:
        events = [json.loads(line) for line in ridgeline("watch", trained, "--ndjson").lines]
        assert [event["type"] for event in events] == [
            *("status", "status", "epoch", "epoch", "epoch", "status")
        ]
        assert events[-1]["after"] == "succeeded"

    @pytest.mark.parametrize("form", ["", "--json", "--ndjson"])
    def test_job_that_does_not_succeed_has_its_exit_code(
        self, ridgeline: Ridgeline, submitted: Submitted, form: str
    ) -> None:
        job_id = submitted()
        ridgeline("cancel", job_id)
        ended = ridgeline("watch", job_id, *filter(None, [form]))
        assert ended.code == ExitCode.NOT_SUCCEEDED
        assert "cancelled" in ended.out

    @pytest.mark.parametrize("form", ["", "--json", "--ndjson"])
    def test_timeout_has_its_exit_code(
        self, ridgeline: Ridgeline, submitted: Submitted, form: str
    ) -> None:
        ended = ridgeline("watch", submitted(), "--timeout", "0.2", *filter(None, [form]))
        assert ended.code == ExitCode.TIMEOUT
        assert ended.err.startswith("ridgeline: job_")
        assert len(ended.err.splitlines()) == 1

    def test_submit_with_watch(
        self, ridgeline: Ridgeline, spec: Path, submitted: Submitted, worker: Worker
    ) -> None:
        submitted()
        key = ("--key", "watched")
        job_id = ridgeline("submit", str(spec), "--json", *key).json["id"]
        train(worker, job_id)
        ended = ridgeline("submit", str(spec), "--watch", *key)
        assert ended.code == ExitCode.OK
        assert ended.lines[0].startswith(job_id)
        assert ended.lines[-1].startswith("succeeded after ")


class TestCurves:
    def test_plot(self, ridgeline: Ridgeline, trained: str) -> None:
        ended = ridgeline("curves", trained)
        assert ended.code == ExitCode.OK
        assert ended.lines[0].strip() == "• data_loss  × val_data_loss"
        assert ended.lines[-1] == "val_data_loss lowest at epoch 3: 0.6667"
        assert max(map(len, ended.lines)) <= 80
        by_layer = ridgeline("curves", trained, "--chart", "penalty", "--log").lines
        assert by_layer[0].strip() == "• penalty/dense/kernel/l2  (logarithmic)"
        no_picture = ridgeline("curves", trained, "--chart", "weights")
        assert no_picture.code == ExitCode.USAGE
        assert "--png" in no_picture.err

    def test_no_plot_before_the_first_epoch(
        self, ridgeline: Ridgeline, submitted: Submitted
    ) -> None:
        assert ridgeline("curves", submitted()).lines == ["No epoch has ended yet."]

    def test_curves_as_data(self, ridgeline: Ridgeline, trained: str) -> None:
        rows = list(csv.DictReader(io.StringIO(ridgeline("curves", trained, "--csv").out)))
        assert [row["epoch"] for row in rows] == ["1", "2", "3"]
        assert {float(row["dense/kernel/l2"]) for row in rows} == {0.25}
        lines = [json.loads(line) for line in ridgeline("curves", trained, "--ndjson").lines]
        assert [line["epoch"] for line in lines] == [1, 2, 3]
        assert (lines[1]["val_data_loss"], lines[1]["penalty/dense/kernel/l2"]) == (1.0, 0.25)
        document = ridgeline("curves", trained, "--json", "--max-points", "2").json
        assert document["epoch"] == [1, 3]
        both = ridgeline("curves", trained, "--json", "--csv")
        assert (both.code, both.out) == (ExitCode.USAGE, "")


class TestReport:
    def test_missing_report_has_its_exit_code(
        self, ridgeline: Ridgeline, submitted: Submitted, trained: str
    ) -> None:
        assert ridgeline("report", submitted()).code == ExitCode.CONFLICT
        assert ridgeline("report", trained).code == ExitCode.NOT_FOUND


class TestLogs:
    def test_log_is_printed_line_by_line(self, ridgeline: Ridgeline, trained: str) -> None:
        lines = ridgeline("logs", trained).lines
        assert len(lines) == 3
        assert lines[0].endswith("job     transition before=null after=queued reason=null")
        entries = ridgeline("logs", trained, "--json").json
        assert [entry["fields"]["after"] for entry in entries] == ["queued", "running", "succeeded"]
        as_lines = ridgeline("logs", trained, "--ndjson").lines
        assert [json.loads(line) for line in as_lines] == entries
        assert ridgeline("logs", trained, "--level", "error", "--json").json == []

    def test_log_is_followed(self, ridgeline: Ridgeline, trained: str) -> None:
        ended = ridgeline("logs", trained, "--follow")
        assert (ended.code, len(ended.lines)) == (ExitCode.OK, 3)
        entries = ridgeline("logs", trained, "--json").json
        for form in ("--json", "--ndjson"):
            lines = ridgeline("logs", trained, "-f", form).lines
            assert [json.loads(line) for line in lines] == entries

    def test_followed_job_that_does_not_succeed_has_its_exit_code(
        self, ridgeline: Ridgeline, submitted: Submitted
    ) -> None:
        """As for watch."""
        job_id = submitted()
        ended = ridgeline("logs", job_id, "--follow", "--timeout", "0.2")
        assert (ended.code, len(ended.lines)) == (ExitCode.TIMEOUT, 1)
        ridgeline("cancel", job_id)
        ended = ridgeline("logs", job_id, "--follow")
        assert (ended.code, len(ended.lines)) == (ExitCode.NOT_SUCCEEDED, 2)


class TestDownload:
    def test_all_files_are_downloaded_into_a_new_folder(
        self, ridgeline: Ridgeline, trained: str, tmp_path: Path
    ) -> None:
        ended = ridgeline("download", short(trained), "--to", "files")
        assert ended.lines == ["files/model.keras  5 B", "files/split.npz  4 B"]
        assert {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()} == {
            "model.keras": b"model",
            "split.npz": b"rows",
        }

    def test_single_file_is_downloaded_under_another_name(
        self, ridgeline: Ridgeline, trained: str, tmp_path: Path
    ) -> None:
        ended = ridgeline("download", trained, "model.keras", "--to", "best.keras", "--json")
        assert ended.json == {"model.keras": "best.keras"}
        assert hashlib.sha256((tmp_path / "best.keras").read_bytes()).hexdigest() == (
            hashlib.sha256(b"model").hexdigest()
        )

    def test_existing_file_is_not_replaced_without_force(
        self, ridgeline: Ridgeline, trained: str, tmp_path: Path
    ) -> None:
        (tmp_path / "model.keras").write_bytes(b"precious")
        ended = ridgeline("download", trained)
        assert (ended.code, ended.out) == (ExitCode.FAILED, "")
        assert (tmp_path / "model.keras").read_bytes() == b"precious"
        assert not (tmp_path / "split.npz").exists()
        assert ridgeline("download", trained, "--force").code == ExitCode.OK
        assert ridgeline("download", trained).code == ExitCode.OK, "the files are equal now"

    def test_unknown_file_has_its_exit_code(
        self, ridgeline: Ridgeline, submitted: Submitted, trained: str
    ) -> None:
        missing = ridgeline("download", trained, "model.onnx")
        assert missing.code == ExitCode.NOT_FOUND
        assert "model.keras, split.npz" in missing.err
        assert ridgeline("download", submitted()).code == ExitCode.NOT_FOUND
        assert ridgeline("download", trained, "--to", "spec.json").code == ExitCode.USAGE
