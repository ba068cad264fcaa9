"""Run as a program by its path: draws Vega-Lite charts that come over the socket at fd 0.

A request is its length in four bytes, and JSON: `spec`, `format` (svg or png) and `scale`. An
answer is one byte that says whether it is a picture or the error's text, its length, and that.
"""

import io
import json
import re
import resource
import signal
import socket
import struct
from html import escape
from pathlib import Path
from typing import Any

import vl_convert

VEGA_LITE = "6.4"
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What a name may hold and XML may not."""
LONGEST_S = 20.0
"""A picture that takes longer ends the process."""
MOST_BYTES = 400 * 2**20
"""Once it holds more it ends, after its answer; a fresh process draws the next picture."""


def main() -> None:
    """Draw until the other side hangs up."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as connection, connection.makefile("rwb") as stream:
        while request := _receive(stream):
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
            good, content = _answer(request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            stream.write(struct.pack(">?I", good, len(content)) + content)
            stream.flush()
            if _held_bytes() > MOST_BYTES:
                return


def _held_bytes() -> int:
    """The memory this process holds. Its greatest so far would count what started it, too."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except FileNotFoundError:  # not Linux
        return 0
    return int(pages) * resource.getpagesize()


def _receive(stream: io.BufferedRWPair) -> bytes:
    header = stream.read(4)
    return stream.read(struct.unpack(">I", header)[0]) if len(header) == 4 else b""  # noqa: PLR2004


def _answer(request: bytes) -> tuple[bool, bytes]:
    try:
        asked = json.loads(request)
        return True, _drawn(asked["spec"], asked["format"], asked["scale"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side logs it
        return False, str(error)[:2000].encode()


def _drawn(spec: dict[str, Any], picture: str, scale: float) -> bytes:
    # Nothing is fetched from anywhere.
    common: dict[str, Any] = {"vl_version": VEGA_LITE, "allowed_base_urls": []}
    if picture == "png":
        return vl_convert.vegalite_to_png(spec, scale=scale, **common)
    return _described(vl_convert.vegalite_to_svg(spec, **common), spec).encode()


def _described(svg: str, spec: dict[str, Any]) -> str:
    """The picture with its title and description, which Vega gives to a browser's page alone."""
    words = {"title": spec["title"]["text"], "desc": spec["description"]}
    told = "".join(f'<{tag} id="{tag}">{escape(text)}</{tag}>' for tag, text in words.items())
    root, rest = svg.split(">", 1)
    return NO_XML.sub("\ufffd", f'{root} role="img" aria-labelledby="title desc">{told}{rest}')


if __name__ == "__main__":
    main()
