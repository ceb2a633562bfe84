"""Limits the cost of one more event: calls and instructions of the interpreter, counted not timed.

The counts are the same on any machine at any load. They show a change that handles each event once
more. They do not show a slower native function; `benchmarks.stages` does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

from pipeline.sample.write import write_samples
from tests.transforms.runs import status_deriver
from transforms.blocks.context import NO_CONTEXT
from transforms.encode.encode_avro import BlockEncoder
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.read.lines import blocks_of_lines

_FEWER, _MORE = 2000, 4000

_LESS_THAN_TWO_LOOPS = 8
"""Even `[event for event in events]` costs four instructions per event."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Events of all providers, with realistic frequencies of statuses."""
    directory = tmp_path_factory.mktemp("events")
    made = write_samples(str(directory), events=_MORE, seed=1, bad_fraction=0.0, shapes="lines")
    return (directory / made.files[0].name).read_bytes().splitlines(keepends=True)


class _Steps:
    """The steps before the sink, which keep what they learn, as in a run."""

    def __init__(self) -> None:
        self._parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT)
        self._encoder = BlockEncoder("deflate", "full", 10_000_000)

    def run(self, lines: list[bytes]) -> None:
        for raw in blocks_of_lines("events.jsonl", [b"".join(lines)], 0, 10_000_000):
            for block in self._parser.parse(raw):
                self._encoder.encode(status_deriver().derive(block))


def _cost_of_one_event(lines: list[bytes], counted: Callable[[Callable[[], None]], int]) -> float:
    """Counts the cost of one more event with a known status, without the cost of its block."""
    steps = _Steps()
    steps.run(lines)
    fewer = counted(lambda: steps.run(lines[:_FEWER]))
    return (counted(lambda: steps.run(lines)) - fewer) / (_MORE - _FEWER)


def _calls(kind: str) -> Callable[[Callable[[], None]], int]:
    def counted(work: Callable[[], None]) -> int:
        count = 0

        def profile(_frame: FrameType, event: str, _argument: Any) -> None:
            nonlocal count
            count += event == kind

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            work()
        finally:
            sys.setprofile(before)
        return count

    return counted


if sys.version_info >= (3, 12):

    def _instructions(work: Callable[[], None]) -> int:
        # These versions call a trace function twice for many instructions.
        count = 0
        thread = threading.get_ident()

        def executed(_code: CodeType, _offset: int) -> None:
            nonlocal count
            # Threads of other tests call this function too.
            count += threading.get_ident() == thread

        monitoring = sys.monitoring
        tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
        monitoring.use_tool_id(tool, __name__)
        try:
            monitoring.register_callback(tool, event, executed)
            monitoring.set_events(tool, event)
            work()
        finally:
            monitoring.set_events(tool, monitoring.events.NO_EVENTS)
            monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)
        return count

else:

    def _instructions(work: Callable[[], None]) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal count
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            count += event == "opcode"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            work()
        finally:
            sys.settrace(before)
        return count


def test_an_event_costs_less_than_half_a_call(lines: list[bytes]) -> None:
    # One event in 600 is not ordinary, and takes a hundred calls.
    assert _cost_of_one_event(lines, _calls("call")) < 0.3
    assert _cost_of_one_event(lines, _calls("c_call")) < 0.4


def test_an_event_costs_less_than_two_loops(lines: list[bytes]) -> None:
    assert _cost_of_one_event(lines, _instructions) < _LESS_THAN_TWO_LOOPS
