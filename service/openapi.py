"""`python -m service.openapi`: write openapi/openapi.json; with `--check` only compare it."""

import argparse
import json
import sys
from pathlib import Path

from service.http.documentation import document
from service.main import create_app

PATH = Path(__file__).parent.parent / "openapi" / "openapi.json"


def rendered() -> str:
    """The document as the file's text."""
    return json.dumps(document(create_app()), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    parser.add_argument("--path", type=Path, default=PATH)
    options = parser.parse_args(arguments)
    text = rendered()
    if not options.check:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(text, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{options.path} is out of date; run: python -m service.openapi\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
