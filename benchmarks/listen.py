"""Many open event streams of one job: raw asyncio, so that they are not what is measured.

    python benchmarks/listen.py < plan.json

The plan is one JSON object: host, port, path, streams, stamp. Prints one line of JSON: how many
epochs arrived in all streams, how many of them ended when all streams were open, and of these the
percentiles of the milliseconds from stamp to arrival.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import uvloop


class Stream(asyncio.Protocol):
    """One stream; it only takes down what came when."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.came: list[tuple[float, bytes]] = []
        self._line = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the events."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take down what came."""
        whole, newline, self._line = (self._line + data).rpartition(b"\n")
        self.came.append((time.time(), whole + newline))
        if b"event: end" in whole and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, if it has not ended in order."""
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the stream broke off"))

    def epochs(self, stamp: str) -> list[tuple[float, float]]:
        """When each epoch ended, and when it arrived."""
        mark = f'"{stamp}":'.encode()
        return [
            (float(part.replace(b"}", b",").partition(b",")[0]), at)
            for at, data in self.came
            for part in data.split(mark)[1:]
        ]


async def listen(plan: dict[str, Any]) -> dict[str, float]:
    """Follow the job to its end over all streams."""
    request = (
        f"GET {plan['path']} HTTP/1.1\r\nHost: {plan['host']}\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    streams = []
    for _ in range(plan["streams"]):
        transport, stream = await loop.create_connection(
            lambda: Stream(request), plan["host"], plan["port"]
        )
        streams.append((transport, stream))
    await asyncio.gather(*(stream.ended for _, stream in streams))
    for transport, _ in streams:
        transport.close()
    # What had happened before the last of them was open is replayed.
    opened = max(stream.came[0][0] for _, stream in streams)
    epochs = [each for _, stream in streams for each in stream.epochs(plan["stamp"])]
    found = [(at - ended) * 1000 for ended, at in epochs if ended > opened]
    percentiles = statistics.quantiles(found, n=100)
    return {
        "arrived": len(epochs),
        "live": len(found),
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "slowest_ms": max(found),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(listen(json.load(sys.stdin)))))
