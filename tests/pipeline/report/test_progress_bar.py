"""A run shows its progress."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.report.progress_bar import ProgressBar, progress_text, starting
from transforms.local.progress import Progress

HALF = Progress(bytes=50_000_000, read=100_000, dead_lettered=12)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (
            HALF,
            100_000_000,
            2.0,
            "50 of 100 MB · 100,000 events · 50,000/s · 12 dead letters · 2 s left",
        ),
        # The time left is not 0 while there is something to do.
        (
            Progress(bytes=99_900_000, read=10),
            100_000_000,
            10.0,
            "100 of 100 MB · 10 events · 1/s · 0 dead letters · 1 s left",
        ),
        (Progress(), 100_000_000, 1.0, "starting"),
        (Progress(), 0, 0.0, "starting"),
        # A file that has grown, or whose first bytes were read twice, does not exceed its size.
        (
            Progress(bytes=11_000_000, read=1),
            10_000_000,
            1.0,
            "10 of 10 MB · 1 event · 1/s · 0 dead letters · committing",
        ),
        (
            Progress(bytes=1_000_000, read=10),
            100_000_000,
            60.0,
            "1 of 100 MB · 10 events · 0/s · 0 dead letters · 1 h 39 min left",
        ),
        (
            Progress(pulled=500, acknowledged=400, read=450),
            None,
            10.0,
            "500 messages, 100 not yet acknowledged · 450 events · 45/s · 0 dead letters",
        ),
    ],
)
def test_progress_is_one_line(done: Progress, total: int | None, seconds: float, text: str) -> None:
    assert progress_text(done, total, seconds) == text


def test_the_line_of_a_stream_has_its_delay_and_its_last_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transforms.local.progress.time.time", lambda: 1000.0)
    done = Progress(pulled=5, retries=2, held={970_000_000: 1}, commits=3, committed_at=940.0)
    assert progress_text(done, None, 1.0) == (
        "5 messages, 5 not yet acknowledged, the oldest 30 s old · 0 events · 0/s · 0 dead letters"
        " · last commit 1 min 0 s ago · 2 retries"
    )


def test_without_a_terminal_a_line_is_printed_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("pipeline.report.progress_bar.time.monotonic", lambda: now[0])
    output = io.StringIO()
    with ProgressBar(Console(file=output, width=200), 100_000_000) as bar:
        for _ in range(250):
            now[0] += 0.1
            bar.show(HALF)
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("50 of 100 MB") for line in lines)


def test_a_terminal_has_a_bar_that_is_erased_at_the_end() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with ProgressBar(console, 100_000_000) as bar:
        bar.show(HALF)
        bar._bar.refresh()  # type: ignore[union-attr]
    text = output.getvalue()
    assert "50 of 100 MB" in text
    # The cursor goes up and the line is erased.
    assert text.rstrip("\n").endswith("\x1b[2K")


def test_a_terminal_shows_that_the_command_is_starting() -> None:
    output = io.StringIO()
    with starting(Console(file=output, force_terminal=True)):
        assert output.getvalue() == "starting\r"
    assert output.getvalue().endswith("\x1b[2K")
    output = io.StringIO()
    with starting(Console(file=output)):
        pass
    assert output.getvalue() == ""
