"""`python -m worker` runs a worker.

Run it that way: multiprocessing imports a script's main module again in every trainer, but leaves a
package's `__main__` alone.
"""

import sys


def main() -> int:
    """Run the worker until it is told to end."""
    from worker.program import run  # noqa: PLC0415 - see above: importing this must cost nothing

    return run()


if __name__ == "__main__":
    sys.exit(main())
