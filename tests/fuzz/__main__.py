"""`make fuzz`: random specs over the whole catalog; what POST accepts must train.

    python -m tests.fuzz [--minutes 15] [--specs N] [--seed 1] [--processes 2]
    python -m tests.fuzz --spec FILE

Each spec that is valid is trained by a trainer process of its own and its `model.keras` loaded by
plain Keras. The seed determines the specs and their order. A spec that ends otherwise than
`succeeded`, or for a reason that the documentation names, is written to a file, from which `--spec`
trains it again. Exits with 1 if there was one.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import Options, fuzz
from tests.fuzz.specs import Draft
from tests.fuzz.trial import attempt
from worker.trainer.forkserver import Forkserver


def main() -> int:
    """Run as the arguments say."""
    arguments = _arguments()
    forkserver = Forkserver()
    if arguments.spec is not None:
        outcome = attempt(Draft(**json.loads(arguments.spec.read_text())), forkserver)
        say(f"{outcome.result}: {outcome.detail}")
        return 1 if outcome.result == "broken" else 0
    findings = (
        arguments.findings or Path(tempfile.gettempdir()) / f"ridgeline-fuzz-{arguments.seed}"
    )
    findings.mkdir(parents=True, exist_ok=True)
    options = Options(arguments.seed, arguments.minutes * 60, arguments.processes, arguments.specs)
    tally = fuzz(options, forkserver, findings, say)
    for line in tally.lines():
        say(line)
    return 1 if tally.broken else 0


def say(line: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--specs", type=int, help="stop after so many specs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--findings", type=Path, help="the folder for specs that failed")
    parser.add_argument("--spec", type=Path, help="a file of that folder, to train again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
