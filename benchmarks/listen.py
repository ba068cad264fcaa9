"""Many open event streams of one job: raw asyncio, so that their own cost stays small.

    python benchmarks/listen.py < plan.json

The plan is one JSON object: host, port, path, streams, stamp. Prints one line of JSON: the number
of epochs that arrived in all streams, the number that ended after all streams were open, and for
those the percentiles of the delay from stamp to arrival in milliseconds.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import uvloop


class Stream(asyncio.Protocol):
    """One stream; it only records the data with the time of arrival."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.received: list[tuple[float, bytes]] = []
        self._line = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Request the events."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Record the data."""
        whole, newline, self._line = (self._line + data).rpartition(b"\n")
        self.received.append((time.time(), whole + newline))
        if b"event: end" in whole and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless the stream has ended."""
        if not self.ended.done():
            closed = ConnectionError("the connection closed before the end of the stream")
            self.ended.set_exception(exc or closed)

    def epochs(self, stamp: str) -> list[tuple[float, float]]:
        """The end and the arrival of each epoch."""
        mark = f'"{stamp}":'.encode()
        return [
            (float(part.replace(b"}", b",").partition(b",")[0]), at)
            for at, data in self.received
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
    # Epochs that ended before the last stream was open are replayed to it.
    opened = max(stream.received[0][0] for _, stream in streams)
    epochs = [times for _, stream in streams for times in stream.epochs(plan["stamp"])]
    delays = [(at - ended) * 1000 for ended, at in epochs if ended > opened]
    percentiles = statistics.quantiles(delays, n=100)
    return {
        "arrived": len(epochs),
        "live": len(delays),
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "slowest_ms": max(delays),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(listen(json.load(sys.stdin)))))
