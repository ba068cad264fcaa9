"""`python -m tests.rig.worker`: a real worker, composed by the worker's program."""

import sys


def main() -> int:
    """Run jobs until terminated."""
    # Imported here because trainers import the main module again.
    from tests.rig.worker.engine import train
    from worker.program import run

    return run(engine=train, preload=("tests.rig.worker.preloaded",))


if __name__ == "__main__":
    sys.exit(main())
