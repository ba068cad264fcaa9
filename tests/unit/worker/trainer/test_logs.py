"""Lines are limited in number and length, and never block training."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ridgeline.logs import MAX_LINE_BYTES, event_text, fields_json
from worker.trainer.logs import LineLimiter

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=50)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=30,
)


@pytest.fixture
def pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    yield writer
    os.close(reader)
    os.close(writer)


def test_limit_at_once_and_limit_per_second(pipe: int) -> None:
    now = 0.0
    limiter = LineLimiter(pipe, clock=lambda: now)
    assert sum(limiter.allow() for _ in range(1000)) == 200
    assert limiter.dropped() == 800
    assert limiter.dropped() == 0
    now = 2.0
    assert sum(limiter.allow() for _ in range(1000)) == 100


def test_line_is_dropped_while_the_pipe_is_full(pipe: int) -> None:
    limiter = LineLimiter(pipe)
    assert limiter.allow()
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    assert not limiter.allow()


@settings(max_examples=30)
@given(st.dictionaries(st.text(st.characters()), ANYTHING))
def test_any_fields_can_be_stored(fields: dict[str, object]) -> None:
    text = fields_json(fields)
    assert len(text.encode()) <= MAX_LINE_BYTES
    assert "\x00" not in text
    assert isinstance(json.loads(text), dict)


def test_long_texts_lose_their_middle() -> None:
    text = json.loads(fields_json({"trace": "first" + "x" * 100_000 + "last", "n": 1}))
    assert text["n"] == 1
    assert text["trace"].startswith("first")
    assert text["trace"].endswith("last")
    assert len(event_text("y" * 100_000)) < 1100
    assert len(fields_json({str(n): "z" * 500 for n in range(1000)})) <= MAX_LINE_BYTES
