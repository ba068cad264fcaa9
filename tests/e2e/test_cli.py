"""The command line from a spec to a comparison, with a real service and a real worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ridgeline.cli.errors import ExitCode
from ridgeline.cli.main import app
from ridgeline.cli.references import short

pytestmark = pytest.mark.servers

#: Few training rows and many weights: it overfits, so the report suggests changes.
OVERFITTING: dict[str, Any] = {
    "name": "plain",
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.9, "test": 0.05},
    "model": {
        "layers": [
            {"type": "Dense", "units": 128, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "training": {
        "epochs": 30,
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "optimizer": {"name": "adam", "learning_rate": 0.01},
    },
}


@pytest.fixture
def ridgeline(
    service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIDGELINE_URL", service_url)

    def run(*arguments: str, stdin: str | None = None, code: ExitCode = ExitCode.OK) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exit_code == code, result.output
        return result

    return run


def test_overfit_report_apply_compare(ridgeline: Callable[..., Result], tmp_path: Path) -> None:
    watched = ridgeline("submit", "-", "--watch", stdin=json.dumps(OVERFITTING)).output
    plain = watched.split()[0]
    assert "val_data_loss" in watched
    assert "\nsucceeded after " in watched
    assert "verdict: overfit" in watched

    page = ridgeline("report", short(plain)).output
    assert page.startswith("overfit\n")
    report = json.loads(ridgeline("report", plain, "--json").stdout)
    changes = [suggestion["id"] for suggestion in report["suggestions"]]
    assert all(f"\n{change}: " in page for change in changes)

    # A suggested change, through a pipe.
    better = ridgeline("report", plain, "--apply", changes[0]).stdout
    submitted = ridgeline("submit", "-", "--watch", "--json", "--set", "name=better", stdin=better)
    changed = json.loads(submitted.stdout)
    assert (changed["status"], changed["name"]) == ("succeeded", "better")

    assert "data_loss" in ridgeline("curves", plain).output
    ridgeline("curves", plain, "--png", "losses.png", "--svg", "losses.svg")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (tmp_path / "losses.svg").read_text().startswith("<svg")

    ridgeline("download", plain, "model.keras", "report.json", "--to", "files")
    assert json.loads((tmp_path / "files" / "report.json").read_text()) == report
    assert (tmp_path / "files" / "model.keras").stat().st_size > 0

    compared = ridgeline("compare", plain, changed["id"], "--png", "both.png", "--json")
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG\r\n")
    jobs = json.loads(compared.stdout)["jobs"]
    assert [job["name"] for job in jobs] == ["plain", "better"]
    table = ridgeline("compare", "@last~1", "@last").output
    assert short(plain) in table.splitlines()[1]
    assert "\nval_data_loss\n" in table


def test_failed_job_has_its_exit_code(ridgeline: Callable[..., Result]) -> None:
    training = {"epochs": 20, "loss": "mean_squared_error"}
    diverging = {
        "dataset": {"source": "builtin", "name": "diabetes"},
        "model": {"layers": [{"type": "Dense", "units": 1}]},
        "training": {**training, "optimizer": {"name": "sgd", "learning_rate": 1e8}},
    }
    output = ridgeline(
        "submit", "-", "-w", stdin=json.dumps(diverging), code=ExitCode.NOT_SUCCEEDED
    ).output
    assert "\nfailed after " in output
    assert "verdict: diverged" in output
