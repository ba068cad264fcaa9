"""A load generator for HTTP/1.1: raw asyncio, so that its own cost stays small.

    python benchmarks/load.py < plans.json

The plans are a JSON array of objects: host, port, connections, count, method, path, body. They run
one after the other. Each connection stays open and sends its next request after the previous
response. Prints a JSON array: requests per second, and percentiles of the latency in milliseconds.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop

Plan = dict[str, Any]


async def run_all(plans: Sequence[Plan]) -> list[dict[str, float]]:
    """Run the plans one after the other."""
    return [await run(plan) for plan in plans]


async def run(plan: Plan) -> dict[str, float]:
    """Send the plan's requests over its connections."""
    latencies: list[float] = []
    turns = iter(range(plan["count"]))
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(plan["connections"]):
            group.create_task(_connection(plan, turns, latencies))
    seconds = time.perf_counter() - started
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "per_second": len(latencies) / seconds,
        "p50_ms": percentiles[49] * 1000,
        "p99_ms": percentiles[98] * 1000,
    }


async def _connection(plan: Plan, turns: Iterator[int], latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection(plan["host"], plan["port"])
    body = plan["body"].encode()
    request = (
        f"{plan['method']} {plan['path']} HTTP/1.1\r\nHost: {plan['host']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    for _ in turns:
        before = time.perf_counter()
        writer.write(request)
        await _read_response(reader)
        latencies.append(time.perf_counter() - before)
    writer.close()
    await writer.wait_closed()


async def _read_response(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
    body = await reader.readexactly(length)
    if not 200 <= status < 300:
        raise RuntimeError(f"expected success, received {status}: {body[:500]!r}")


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run_all(json.load(sys.stdin)))))
