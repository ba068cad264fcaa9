"""Processes that run files: with the runtime alone, and without harm from its crash."""

import subprocess
import sys
from pathlib import Path

ONNX = """
import os, sys
from multiprocessing import Pipe
from pathlib import Path
import numpy as np, onnx
from worker.engine.context import Unreadable
from worker.trainer import reader
folder = Path(sys.argv[1])
pipe, other = Pipe()
readers = reader.fork_readers(["tensorboard", "onnx"], pipe)
assert list(readers) == ["onnx"]
value = onnx.helper.make_tensor_value_info
node = onnx.helper.make_node("Neg", ["input"], ["output"])
ends = [value(name, onnx.TensorProto.FLOAT, [None, 2]) for name in ("input", "output")]
graph = onnx.helper.make_graph([node], "graph", ends[:1], ends[1:])
opset = [onnx.helper.make_opsetid("", 18)]
onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
rows = np.ones((3, 2), np.float32)
readers["onnx"].start(folder, [rows[:1], rows])
one, all_rows = readers["onnx"].predictions()
assert (one.shape, all_rows.tolist()) == ((1, 2), (-rows).tolist())
(folder / "model.onnx").write_bytes(b"nothing")
readers["onnx"].start(folder, [rows])
try:
    readers["onnx"].predictions()
except Unreadable as error:
    print(error)
readers["onnx"].close()
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no process is left")
"""
CRASH = """
import os, signal, sys
from multiprocessing import Pipe
from pathlib import Path
import numpy as np
from worker.engine.context import Unreadable
from worker.trainer import reader
def look(folder):
    for name in ("ridgeline", "worker", "service"):
        try:
            __import__(name)
        except ImportError:
            pass
        else:
            raise SystemExit("our code can be imported")
    os.kill(os.getpid(), signal.SIGSEGV)
reader._LOADERS = {"onnx": look}
pipe, other = Pipe()
readers = reader.fork_readers(["onnx"], pipe)
readers["onnx"].start(Path("."), [])
try:
    readers["onnx"].predictions()
except Unreadable as error:
    print(error)
"""


def run(program: str, *arguments: str) -> str:
    """What `program` prints in a process of its own: pytest's must not be forked."""
    root = Path(__file__).parents[4]
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_file_is_run_and_the_process_ends(tmp_path: Path) -> None:
    unreadable, left = run(ONNX, str(tmp_path)).splitlines()
    assert "INVALID_PROTOBUF" in unreadable
    assert left == "no process is left"


def test_crash_is_reported_and_our_code_cannot_be_imported() -> None:
    assert run(CRASH).strip() == "the runtime crashed (SIGSEGV)"
