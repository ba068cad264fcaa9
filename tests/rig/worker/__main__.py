"""`python -m tests.rig.worker`: a real worker with the rig's engine."""

import sys


def main() -> int:
    """Run the worker until it is stopped; return its exit code."""
    # Imported here, as every trainer re-imports this main module.
    from tests.rig.worker.engine import train
    from worker.program import run

    return run(engine=train, preload=("tests.rig.worker.preloaded",))


if __name__ == "__main__":
    sys.exit(main())
