"""`job-status run`: reads files, derives, writes, commits, and says what became of every event."""

from __future__ import annotations

from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.launch import beam_options, launch
from pipeline.options import RunOptions, parse_run
from pipeline.prepare import check_output, find_inputs, is_committed, prepare
from pipeline.report import print_summary, report_of, write_report
from schemas.errors import InputError, JobStatusError, TooManyDeadLettersError
from schemas.manifest import Manifest
from transforms import storage
from transforms.commit import CommitSettings, manifest_path
from transforms.recovery import clear_staging, recover


def run(arguments: Sequence[str], console: Console) -> None:
    """Runs the job.

    Args:
        arguments: The command line behind `run`.
        console: For messages.

    Raises:
        JobStatusError: The run could not be done, or has something to tell by its exit code.
    """
    options, beam_arguments = parse_run(arguments)
    # Options may say where a filesystem is, an endpoint for instance.
    FileSystems.set_options(PipelineOptions(beam_arguments))
    settings = prepare(options)
    commit = settings.commit
    inputs = find_inputs(options)
    for directory in inputs.skipped_directories:
        console.print(f"skipped {directory}: a directory", soft_wrap=True, markup=False)
    for run_id in recover(commit):
        console.print(f"completed the run {run_id}, which was interrupted while committing")
    if is_committed(commit):
        console.print(f"the run {commit.run_id} was committed already; nothing to do")
    else:
        try:
            check_output(commit)
            engine = beam_options(beam_arguments, inputs.bytes, options.debug)
            launch(settings, engine, options.debug)
        except BaseException:
            clear_staging(commit)
            raise
    _tell(options, commit, console)


def _tell(options: RunOptions, commit: CommitSettings, console: Console) -> None:
    manifest = Manifest.from_json(storage.read(manifest_path(commit.output, commit.run_id)))
    report = report_of(commit.output, manifest)
    if options.report is not None:
        write_report(options.report, report)
    print_summary(report, console)
    _judge(report, options.max_dead_letter_fraction)


def _judge(report: Manifest, max_dead_letter_fraction: float) -> None:
    """Raises what the exit code of a committed run has to say."""
    if not report.conserved:
        raise JobStatusError("the books of the run do not close")
    damaged = [each.path for each in report.inputs if each.damaged]
    if damaged:
        raise InputError(
            f"{len(damaged)} input(s) damaged, the first {damaged[0]}; what could be read of "
            "them was committed",
            "mend them and run them again; the report lists them",
        )
    outcomes = report.written + report.dead_lettered
    if outcomes and report.dead_lettered / outcomes > max_dead_letter_fraction:
        raise TooManyDeadLettersError(
            f"{report.dead_lettered:,} of {outcomes:,} events became dead letters, more than "
            f"--max_dead_letter_fraction {max_dead_letter_fraction:g}; everything was committed",
            "the dead letters say what is wrong with each",
        )
