"""Owns the output of a run of one commit, and cleans up after a run that fails or is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.runners import is_bound_to_command, may_be_running
from pipeline.setup import is_committed, owned_output
from schemas.errors import StoppedBySignal
from transforms.storage import filesystem, pending_path
from transforms.write import CommitSettings, clear_staging


@contextmanager
def owned_run(commit: CommitSettings, beam: PipelineOptions) -> Iterator[None]:
    """Owns the output of a run until the block ends. Removes the staged files after an error.

    Adds to a signal that stopped the run how far its commit is. If the job goes on without this
    command, the staged files stay: the next run removes them. Raises as `owned_output`.
    """
    with owned_output(commit, is_bound=is_bound_to_command(beam)):
        try:
            yield
        except BaseException as error:
            if isinstance(error, StoppedBySignal) and not error.is_job_alive:
                outcomes = filter(None, (error.outcome, _outcome(commit)))
                error.outcome = "; ".join(outcomes)
            if not may_be_running(error, beam):
                clear_staging(commit)
            raise


def _outcome(commit: CommitSettings) -> str:
    """Describes how far the commit of a stopped run is."""
    if filesystem.exists(pending_path(commit.output, commit.run_id)):
        return "the next run into this output completes the commit"
    if is_committed(commit):
        return "everything was committed just before"
    return "nothing was committed"
