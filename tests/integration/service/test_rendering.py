"""The process that draws pictures: reused, killed, idle, busy, closed."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from service.curves.renderer import Renderer
from service.errors import RendererBusy, RenderingFailed

SPEC = {
    "title": {"text": "points & <lines>"},
    "description": "two points",
    "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]},
    "mark": "line",
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
    },
}


def request(picture: str = "svg", **changes: object) -> bytes:
    return json.dumps({"format": picture, "scale": 1, "spec": SPEC | changes}).encode()


@asynccontextmanager
async def open_renderer(**options: float) -> AsyncIterator[Renderer]:
    renderer = Renderer(**options)  # type: ignore[arg-type]
    try:
        yield renderer
    finally:
        renderer.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(within())


def test_one_child_draws_all_and_ends_with_its_owner() -> None:
    async def test() -> None:
        async with open_renderer() as renderer:
            assert renderer.pid is None  # nothing is started before it is needed
            svg = await renderer.render(request(description="two \uffff points"))
            assert "two \ufffd points".encode() in svg  # the one is no XML
            pid = renderer.pid
            png = await renderer.render(request("png"))
            assert renderer.pid == pid
            assert b'<title id="title">points &amp; &lt;lines&gt;</title>' in svg
            assert png.startswith(b"\x89PNG")
            child = psutil.Process(pid)
            assert set(child.environ()) <= {
                "PATH",
                "HOME",
                "LANG",
                "LC_ALL",
                "PYTHONPATH",
                "VIRTUAL_ENV",
                "LC_CTYPE",
            }
        assert not _alive(pid)
        with pytest.raises(RendererBusy):
            await renderer.render(request())

    run(test)


def test_a_killed_child_is_replaced() -> None:
    async def test() -> None:
        async with open_renderer() as renderer:
            first = await renderer.render(request())
            before = renderer.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            assert await renderer.render(request()) == first
            assert renderer.pid != before
            # Killed while it draws, too: nobody is told of it.
            drawing = asyncio.ensure_future(
                renderer.render(request("png", width=4000, height=4000))
            )
            os.kill(renderer.pid or 0, signal.SIGKILL)
            assert (await drawing).startswith(b"\x89PNG")

    run(test)


def test_a_hanging_child_is_killed_and_replaced() -> None:
    async def test() -> None:
        async with open_renderer() as renderer:
            await renderer.render(request())
            before = renderer.pid
            os.kill(before or 0, signal.SIGSTOP)
            assert renderer._socket is not None
            renderer._socket.settimeout(0.3)
            assert await renderer.render(request())
            assert renderer.pid != before
            assert not _alive(before)

    run(test)


def test_an_idle_child_ends() -> None:
    async def test() -> None:
        async with open_renderer(idle_s=0.05) as renderer:
            await renderer.render(request())
            while renderer.pid is not None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            assert await renderer.render(request())

    run(test)


def test_too_many_pictures_are_rejected() -> None:
    async def test() -> None:
        async with open_renderer(most=3) as renderer:
            asked = [asyncio.ensure_future(renderer.render(request())) for _ in range(5)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            busy = [isinstance(answer, RendererBusy) for answer in answers]
            assert busy == [False, False, False, True, True]
            assert await renderer.render(request())

    run(test)


def test_an_invalid_chart_fails_and_the_child_survives() -> None:
    async def test() -> None:
        async with open_renderer() as renderer:
            await renderer.render(request())
            pid = renderer.pid
            with pytest.raises(RenderingFailed):
                await renderer.render(b"{}")
            with pytest.raises(RenderingFailed):
                await renderer.render(request(mark="no such mark"))
            assert await renderer.render(request())
            assert renderer.pid == pid

    run(test)


def test_closing_does_not_wait_for_a_picture() -> None:
    async def test() -> None:
        renderer = Renderer()
        await renderer.render(request())
        pid = renderer.pid
        os.kill(pid or 0, signal.SIGSTOP)
        drawing = asyncio.ensure_future(renderer.render(request()))
        await asyncio.sleep(0)
        began = time.monotonic()
        renderer.close()
        assert time.monotonic() - began < 5
        assert not _alive(pid)
        with pytest.raises(RenderingFailed):
            await drawing

    run(test)


def test_the_child_fetches_nothing() -> None:
    async def test() -> None:
        async with open_renderer() as renderer:
            asked = renderer.render(request(data={"url": "http://127.0.0.1:9/data.json"}))
            # Vega draws what has no data empty, or vl-convert refuses: both without a connection.
            await asyncio.gather(asked, return_exceptions=True)
            assert psutil.Process(renderer.pid).net_connections("inet") == []

    run(test)


def _alive(pid: int | None) -> bool:
    return pid is not None and psutil.pid_exists(pid)
