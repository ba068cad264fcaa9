"""`ridgeline demo`, as `make demo` runs it."""

import hashlib
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ridgeline.cli.local.address import Address, free_address

if TYPE_CHECKING:
    from tests.e2e.conftest import Run

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]


def test_demo_agrees_with_plain_keras_and_names_the_next_commands(
    run: "Run", tmp_path: Path
) -> None:
    demo = run("demo")
    assert demo.exit_status(seconds=240) == 0, demo.output
    output = demo.output

    model = tmp_path / ".ridgeline" / "demo" / "model.keras"
    assert str(model) in output
    assert hashlib.sha256(model.read_bytes()).hexdigest() in output

    line = re.search(r"test_accuracy +(\S+) in plain Keras, (\S+) in the job: they agree", output)
    assert line is not None, output
    assert float(line[1]) == pytest.approx(float(line[2]), abs=1e-6)
    assert float(line[1]) > 0.9

    rows = re.findall(r"^ +(\d+) +(\d\.\d+) +(\d\.\d+) +(\d\.\d+)", output, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [1, 5, 10, 15, 20, 25, 30]
    for _, loss, data_loss, penalty in rows:
        assert float(loss) == pytest.approx(float(data_loss) + float(penalty), abs=2e-4)

    assert f"ridgeline up --home {Path('.ridgeline', 'demo')} " in output
    assert re.search(r"ridgeline report job_\w+ ", output)

    assert len(demo.seen) >= 3
    assert demo.nothing_left()
    assert list((tmp_path / "t").glob("ridgeline-*")) == []
    port = re.search(r"http://127\.0\.0\.1:(\d+)", output)
    assert port is not None
    free_address(Address("127.0.0.1", int(port[1])))


def test_ctrl_c_stops_the_demo_cleanly(run: "Run", tmp_path: Path) -> None:
    demo = run("demo")
    demo.wait_for_output("submitted")
    demo.signal(signal.SIGINT)
    assert demo.exit_status() == 130, demo.output
    assert demo.nothing_left()
    assert list((tmp_path / "t").glob("ridgeline-*")) == []
