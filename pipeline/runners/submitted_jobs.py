"""Shows the id and the state of jobs that were submitted to another program, and cancels them."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from apache_beam.runners.runner import PipelineResult, PipelineState

from pipeline.report import ProgressBar

_POLL_SECONDS = 1.0
_CANCEL_SECONDS = 10.0


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

    def cancel(self) -> None:
        """Cancels the last job. Waits at most ten seconds for the server's answer."""
        if self._last is not None:
            # Beam sets no time limit for this call.
            thread = threading.Thread(target=_cancel, args=(self._last,), daemon=True)
            thread.start()
            thread.join(_CANCEL_SECONDS)

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
            # Dataflow has a method, portable runners only this attribute.
            job_id = getattr(result, "job_id", lambda: getattr(result, "_job_id", "?"))()
            self._progress.print_line(f"job {job_id}: {state}")
        return state


def _cancel(result: PipelineResult) -> None:
    with suppress(Exception):
        result.cancel()
