"""Presets, workers, data sets and completion by the command line; and a missing service."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ridgeline.cli.errors import ExitCode
from ridgeline.cli.references import short
from tests.integration.cli.conftest import Ridgeline, train
from tests.integration.client.conftest import Worker
from tests.rig.api import Api
from tests.rig.process import free_port

pytestmark = pytest.mark.servers

Submitted = Callable[..., str]
CSV = "rooms,city,price\n" + "".join(
    f"{row % 5},{'Kiel' if row % 2 else 'Ulm'},{row * 10}.5\n" for row in range(40)
)


class TestPresets:
    def test_list_and_show(self, ridgeline: Ridgeline) -> None:
        listed = ridgeline("presets", "list")
        assert listed.lines[1].startswith("imdb_mlp ")
        assert ridgeline("presets", "list", "--json").json[0]["name"] == "imdb_mlp"
        shown = ridgeline("presets", "show", "vgg_like", "--set", "dense_rate=0.4")
        assert (
            "dense_rate      0.4      0.5  Rate of the dropout after the dense layer."
            in shown.lines
        )
        assert shown.lines[-1] == (
            "ridgeline presets show vgg_like --set dense_rate=0.4 --json | ridgeline submit -"
        )

    def test_unknown_preset_and_wrong_parameter(self, ridgeline: Ridgeline) -> None:
        ended = ridgeline("presets", "show", "resnet")
        assert ended.code == ExitCode.NOT_FOUND
        assert "the presets are imdb_mlp" in ended.err
        wrong = ridgeline("presets", "show", "imdb_mlp", "--set", "rate=1.5")
        assert (wrong.code, wrong.out) == (ExitCode.FAILED, "")
        assert "  ?rate: " in wrong.err


class TestDatasets:
    def test_from_upload_to_delete(self, ridgeline: Ridgeline, tmp_path: Path) -> None:
        (tmp_path / "houses.csv").write_text(CSV)
        uploaded = ridgeline("datasets", "upload", "houses.csv")
        assert uploaded.code == ExitCode.OK, uploaded.err
        dataset_id = uploaded.lines[0].split()[0]
        assert uploaded.lines[0] == f"{dataset_id}  houses.csv"
        assert "city   text           0         2  Kiel: 20, Ulm: 20" in uploaded.lines
        again = ridgeline("datasets", "upload", "houses.csv", "--json").json
        assert again["id"] == dataset_id
        assert ridgeline("datasets", "list", "--json").json == [again]
        assert ridgeline("datasets", "list").lines[1].split()[:4] == [
            *(short(dataset_id), "houses.csv", "csv", "40")
        ]
        assert ridgeline("datasets", "show", short(dataset_id), "--json").json == again
        deleted = ridgeline("datasets", "delete", "@last", "--yes")
        assert deleted.lines == [f"{dataset_id}  deleted"]
        assert ridgeline("datasets", "show", dataset_id).code == ExitCode.NOT_FOUND
        assert ridgeline("datasets", "list").err.startswith("No data sets yet")

    def test_file_with_its_own_split(self, ridgeline: Ridgeline, tmp_path: Path) -> None:
        images, labels = np.zeros((6, 4, 4), np.uint8), np.arange(6, dtype=np.uint8) % 3
        np.savez(
            tmp_path / "mnist.npz",
            x_train=images,
            y_train=labels,
            x_test=images[:3],
            y_test=labels[:3],
        )
        dataset_id = ridgeline("datasets", "upload", "mnist.npz", "--json").json["id"]
        shown = ridgeline("datasets", "show", dataset_id).lines
        assert "rows    9 (6 training, 3 test)" in shown
        assert [line.split()[:3] for line in shown if line.startswith(("x_", "y_"))] == [
            ["x_train", "uint8", "6×4×4"],
            ["y_train", "uint8", "6"],
            ["x_test", "uint8", "3×4×4"],
            ["y_test", "uint8", "3"],
        ]
        (line,) = [line for line in shown if line.startswith("y_test")]
        assert line.endswith("0: 1, 1: 1, 2: 1")
        assert f'"dataset": {{"source": "upload", "id": "{dataset_id}"}}' in shown
        assert ridgeline("datasets", "delete", dataset_id, "--yes").code == ExitCode.OK

    def test_unusable_file(self, ridgeline: Ridgeline, tmp_path: Path) -> None:
        (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
        ended = ridgeline("datasets", "upload", "ragged.csv")
        assert (ended.code, ended.out) == (ExitCode.FAILED, "")
        assert "  /rows/2: " in ended.err
        assert ridgeline("datasets", "upload", "none.csv").code == ExitCode.USAGE


class TestWorkers:
    def test_no_workers(self, ridgeline: Ridgeline) -> None:
        ended = ridgeline("workers")
        assert (ended.code, ended.out) == (ExitCode.OK, "")
        assert ended.err == "No workers yet: jobs stay queued.\n"
        assert ridgeline("workers", "--json").json == []


class TestAddress:
    def test_unreachable_service(self, ridgeline: Ridgeline) -> None:
        ended = ridgeline("jobs", "--url", f"127.0.0.1:{free_port()}")
        assert (ended.code, ended.out) == (ExitCode.UNREACHABLE, "")
        assert ended.err.startswith("ridgeline: no response from http://127.0.0.1:")
        assert len(ended.err.splitlines()) == 1

    @pytest.mark.parametrize("url", ["ftp://here", "http://", "http://h:99999", "http://[::1", ""])
    def test_invalid_address_is_rejected(self, ridgeline: Ridgeline, url: str) -> None:
        ended = ridgeline("jobs", "--url", url)
        assert ended.code == ExitCode.USAGE
        assert ended.err.startswith("ridgeline: --url: expected ")


class TestCompletion:
    """What the shell gets when a user presses Tab."""

    def completions(self, api: Api | None, line: str, shell: str = "bash") -> list[str]:
        words = line.split(" ")
        process = subprocess.run(
            [
                sys.executable,
                "-c",
                "from ridgeline.cli.main import app; app(prog_name='ridgeline')",
            ],
            env={
                **os.environ,
                "RIDGELINE_URL": api.url if api else f"http://127.0.0.1:{free_port()}",
                "_RIDGELINE_COMPLETE": f"complete_{shell}",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
                "_TYPER_COMPLETE_ARGS": line,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.stderr == ""
        return process.stdout.split()

    def test_jobs_and_their_files_are_completed(
        self, api: Api, submitted: Submitted, worker: Worker
    ) -> None:
        job_id = submitted()
        train(worker, job_id, model_keras=b"model")
        assert self.completions(api, "ridgeline show ")[:2] == ["@last", short(job_id)]
        assert job_id in self.completions(api, "ridgeline cancel job_")
        assert self.completions(api, f"ridgeline download {short(job_id)} mod") == ["model.keras"]

    def test_unreachable_service_completes_nothing(self) -> None:
        assert self.completions(None, "ridgeline show ") == []

    def test_presets_are_completed(self, api: Api) -> None:
        assert self.completions(api, "ridgeline presets show vg") == ["vgg_like"]
