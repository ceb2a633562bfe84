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
from tests.transforms.runs import encoded_block
from transforms.read.lines import blocks_of_lines

_FEWER, _MORE = 2000, 4000

_INSTRUCTIONS = {(3, 10): 178.6, (3, 11): 178.9, (3, 12): 172.9, (3, 13): 157.4}
"""Instructions per event, measured with each version of Python."""

_LESS_THAN_A_LOOP = 3
"""Even `[event for event in events]` costs four instructions per event."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Events of all providers, with realistic frequencies of statuses."""
    directory = tmp_path_factory.mktemp("events")
    made = write_samples(str(directory), events=_MORE, seed=1, bad_fraction=0.0, shapes="lines")
    return (directory / made.files[0].name).read_bytes().splitlines(keepends=True)


def _all_steps(lines: list[bytes]) -> None:
    for block in blocks_of_lines("events.jsonl", [b"".join(lines)], 0, 10_000_000):
        encoded_block(block)


def _cost_of_one_event(lines: list[bytes], counted: Callable[[Callable[[], None]], int]) -> float:
    """Counts the cost of one more event, without the cost of its block."""
    # The steps cache the statuses of earlier blocks, the last of them only in the second run.
    _all_steps(lines)
    _all_steps(lines)
    fewer = counted(lambda: _all_steps(lines[:_FEWER]))
    return (counted(lambda: _all_steps(lines)) - fewer) / (_MORE - _FEWER)


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


def test_an_event_costs_less_than_one_call_of_a_python_function(lines: list[bytes]) -> None:
    # 0.59 for the rules of distinct statuses, once per block and status.
    assert _cost_of_one_event(lines, _calls("call")) < 0.75


def test_an_event_costs_at_most_eight_calls_of_native_functions(lines: list[bytes]) -> None:
    # 7.3 for decoding, the bytes of the status and the identity.
    assert _cost_of_one_event(lines, _calls("c_call")) < 8


def test_an_event_costs_no_more_instructions_than_measured(lines: list[bytes]) -> None:
    measured = _INSTRUCTIONS[sys.version_info[:2]]
    assert _cost_of_one_event(lines, _instructions) < measured + _LESS_THAN_A_LOOP
