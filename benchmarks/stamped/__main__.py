"""`python -m benchmarks.stamped`: Ridgeline's worker with the engine of this package."""

import sys


def main() -> int:
    """Run jobs until a signal."""
    # Not at the top: trainers import the main module again.
    from benchmarks.stamped.engine import train  # noqa: PLC0415
    from worker.program import run  # noqa: PLC0415

    return run(engine=train, preload=("benchmarks.stamped.preloaded",))


if __name__ == "__main__":
    sys.exit(main())
