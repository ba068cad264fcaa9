"""`python -m worker` runs a worker.

Run it as a module: multiprocessing re-imports a script's main module in every trainer, but not a
package's `__main__`.
"""

import sys


def main() -> int:
    """Run the worker until it is stopped; return its exit code."""
    from worker.program import run  # noqa: PLC0415 - importing this module must stay cheap

    return run()


if __name__ == "__main__":
    sys.exit(main())
