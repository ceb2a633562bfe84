"""Jobs that an engine is given and left with: what such a run cannot do, and what it says."""

from __future__ import annotations

from dataclasses import fields

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.options import RunOptions, default_of
from pipeline.runners.choose import is_detached, runner_name
from schemas.errors import UsageError
from transforms.storage import manifest_directory
from transforms.write import CommitSettings

_AT_THE_END = ("drain", "max_dead_letter_fraction", "report")
"""Options whose work begins when a job has ended."""


def check_detached(options: RunOptions, engine: PipelineOptions) -> None:
    """Looks whether a run asks for what only somebody who waits for its end can do.

    Raises:
        UsageError: It does, and nobody waits.
    """
    if not is_detached(engine):
        return
    for each in fields(RunOptions):
        if each.name in _AT_THE_END and getattr(options, each.name) != default_of(each):
            raise UsageError(
                f"--{each.name} has to wait for the end of the job, which nobody does here",
                "leave it out; or run job-status itself, without a template and without "
                "--no_wait_until_finish",
            )


def print_detached(engine: PipelineOptions, commit: CommitSettings, console: Console) -> None:
    """Says where to look for what the job does; it has committed nothing yet."""
    console.print(
        f"handed over to {runner_name(engine)}, nothing is committed yet; what will be is listed "
        f"in {manifest_directory(commit.output)}",
        soft_wrap=True,
        markup=False,
    )
