"""`make chaos`: a real cluster under a random nemesis, and a checker of the guarantees.

    python -m tests.chaos [--minutes 5] [--jobs 200] [--seed 7] [--database postgresql]

The seed determines the actions of clients and nemesis and their order, but not their exact timing.
Exits with 1 if a guarantee was broken.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.checker import check, report
from tests.chaos.plan import Options
from tests.chaos.run import run


def main() -> int:
    """Run the chaos test, check the evidence and print the report."""
    options, history_file = _arguments()
    evidence = run(options, history_file, say)
    verdicts = check(evidence)
    for line in report(verdicts, evidence):
        say(line)
    broken = sum(len(verdict.violations) for verdict in verdicts)
    say(f"\n{broken} violations; history: {history_file}")
    return 1 if broken else 0


def say(line: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> tuple[Options, Path]:
    default = Options()
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=default.minutes)
    parser.add_argument("--jobs", type=int, default=default.jobs)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default=default.database)
    parser.add_argument("--history", type=Path, help="where the history is written")
    arguments = parser.parse_args()
    file = (
        arguments.history or Path(tempfile.gettempdir()) / f"ridgeline-chaos-{arguments.seed}.jsonl"
    )
    options = Options(
        seed=arguments.seed,
        minutes=arguments.minutes,
        jobs=arguments.jobs,
        database=arguments.database,
    )
    return options, file


if __name__ == "__main__":
    sys.exit(main())
