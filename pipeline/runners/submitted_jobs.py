"""Shows the id and the state of jobs that were submitted to another program, and cancels them."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from apache_beam.runners.runner import PipelineResult, PipelineState

from pipeline.report import ProgressBar

_POLL_SECONDS = 1.0
_CANCEL_SECONDS = 20.0


class SubmittedJobs:
    """The jobs of one run, one after the other. Prints a line for each change of state."""

    def __init__(self, progress: ProgressBar) -> None:
        self._progress = progress
        self._last: PipelineResult | None = None

    def show(self, result: PipelineResult) -> None:
        """Prints the id and the state of a job, now and whenever the state changes."""
        self._last = result
        shown = self._print_change(result, None)
        threading.Thread(target=self._poll, args=(result, shown), daemon=True).start()

    @property
    def name(self) -> str:
        """The last job with its id, or "" if none was submitted."""
        return "" if self._last is None else f"job {_id_of(self._last)}"

    def cancel(self) -> bool:
        """Cancels the last job, and returns whether it ended. Waits at most 20 seconds."""
        if self._last is None:
            return False
        # Beam sets no time limit for this call.
        thread = threading.Thread(target=_cancel, args=(self._last,), daemon=True)
        thread.start()
        thread.join(_CANCEL_SECONDS)
        return not thread.is_alive() and _is_over(self._last)

    def _poll(self, result: PipelineResult, shown: str | None) -> None:
        while not PipelineState.is_terminal(shown):
            time.sleep(_POLL_SECONDS)
            shown = self._print_change(result, shown)

    def _print_change(self, result: PipelineResult, shown: str | None) -> str | None:
        try:
            state = str(result.state)
        except Exception:
            return shown  # the server may be unreachable; the run itself reports that
        if state != shown:
            self._progress.print_line(f"job {_id_of(result)}: {state}")
        return state


def _cancel(result: PipelineResult) -> None:
    end = time.monotonic() + _CANCEL_SECONDS
    with suppress(Exception):
        result.cancel()
        while not _is_over(result) and time.monotonic() < end:
            time.sleep(0.1)


def _is_over(result: PipelineResult) -> bool:
    with suppress(Exception):
        return PipelineState.is_terminal(result.state)
    return False


def _id_of(result: PipelineResult) -> str:
    # Dataflow has a method, portable runners only this attribute.
    return str(getattr(result, "job_id", lambda: getattr(result, "_job_id", "?"))())
