"""Who waits for a run sees how far it is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.report.progress_bar import Display, describe
from transforms.local.progress import Progress

HALF = Progress(bytes=50_000_000, events=100_000, dead_letters=12)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (
            HALF,
            100_000_000,
            2.0,
            "50 of 100 MB · 100,000 events · 50,000/s · 12 dead letters · 2 s left",
        ),
        (Progress(), 100_000_000, 1.0, "0 of 100 MB · 0 events · 0/s · 0 dead letters"),
        (Progress(), 0, 0.0, "0 of 0 MB · 0 events · 0/s · 0 dead letters"),
        # A file that grew, or whose first bytes were looked at twice, is not over its size.
        (
            Progress(bytes=11_000_000, events=1),
            10_000_000,
            1.0,
            "10 of 10 MB · 1 events · 1/s · 0 dead letters · 0 s left",
        ),
        (
            Progress(bytes=1_000_000, events=10),
            100_000_000,
            60.0,
            "1 of 100 MB · 10 events · 0/s · 0 dead letters · 1 h 39 min left",
        ),
        (
            Progress(pulled=500, acknowledged=400, events=450),
            None,
            10.0,
            "500 messages, 100 not yet acknowledged · 450 events · 45/s · 0 dead letters",
        ),
    ],
)
def test_progress_is_said_in_a_line(
    done: Progress, total: int | None, seconds: float, text: str
) -> None:
    assert describe(done, total, seconds) == text


def test_without_a_terminal_a_line_comes_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pipeline.report.progress_bar.time.monotonic", lambda: now[0])
    said = io.StringIO()
    with Display(Console(file=said, width=200), 100_000_000) as display:
        for _ in range(250):
            now[0] += 0.1
            display.show(HALF)
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("50 of 100 MB") for line in lines)


def test_on_a_terminal_there_is_a_bar_which_goes_at_the_end() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=120)
    with Display(console, 100_000_000) as display:
        display.show(HALF)
        display._bar.refresh()  # type: ignore[union-attr]
    text = said.getvalue()
    assert "50 of 100 MB" in text
    # The cursor goes up and the line is erased.
    assert text.rstrip("\n").endswith("\x1b[2K")
