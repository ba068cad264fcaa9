"""Run as a program by its path: draws Vega-Lite charts received over the socket at fd 0.

A request is its length in four bytes, then JSON: `spec`, `format` (svg or png) and `scale`. The
answer is one byte (1 for a picture, 0 for an error), the length in four bytes, then the picture or
the error's text.
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
"""Characters that a name may contain and XML may not."""
LONGEST_S = 20.0
"""The process is killed if a picture takes longer."""
MOST_BYTES = 400 * 2**20
"""With more resident memory it exits after its answer; a new process draws the next picture."""


def main() -> None:
    """Draw until the other side closes the connection."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as connection, connection.makefile("rwb") as stream:
        while request := _receive(stream):
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
            success, content = _answer(request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            stream.write(struct.pack(">?I", success, len(content)) + content)
            stream.flush()
            if _resident_bytes() > MOST_BYTES:
                return


def _resident_bytes() -> int:
    """This process's resident memory; its peak would include the process that started it."""
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
        parsed = json.loads(request)
        return True, _drawn(parsed["spec"], parsed["format"], parsed["scale"])
    except Exception as error:  # noqa: BLE001 - the other side logs it
        return False, str(error)[:2000].encode()


def _drawn(spec: dict[str, Any], picture: str, scale: float) -> bytes:
    # No base URLs: nothing is fetched.
    common: dict[str, Any] = {"vl_version": VEGA_LITE, "allowed_base_urls": []}
    if picture == "png":
        return vl_convert.vegalite_to_png(spec, scale=scale, **common)
    return _described(vl_convert.vegalite_to_svg(spec, **common), spec).encode()


def _described(svg: str, spec: dict[str, Any]) -> str:
    """The picture with a title and a description, which Vega adds only in a browser."""
    words = {"title": spec["title"]["text"], "desc": spec["description"]}
    elements = "".join(f'<{tag} id="{tag}">{escape(text)}</{tag}>' for tag, text in words.items())
    root, rest = svg.split(">", 1)
    return NO_XML.sub("\ufffd", f'{root} role="img" aria-labelledby="title desc">{elements}{rest}')


if __name__ == "__main__":
    main()
