"""`job-status run`: reads files, derives, writes, commits, and says what became of every event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.commands.run_pubsub import read_messages
from pipeline.graph import GraphSettings
from pipeline.options import RunOptions, parse_run
from pipeline.report import ProgressBar, print_summary, report_of, set_run, write_report
from pipeline.runners import ends_with_command, is_detached, print_detached
from pipeline.runners.launch import launch
from pipeline.setup import Preflight, check_output, is_committed, removed_where_unused
from schemas.errors import InputError, JobStatusError, StoppedBySignal, TooManyDeadLettersError
from schemas.manifest import Manifest
from transforms.storage import filesystem, manifest_path, pending_path
from transforms.write import CommitSettings, clear_staging, interrupted_same, recover


def run(arguments: Sequence[str], console: Console) -> None:
    """Runs the job.

    Args:
        arguments: The command line behind `run`.
        console: For messages.

    Raises:
        JobStatusError: The run could not be done, or has something to tell by its exit code.
    """
    ready = Preflight(*parse_run(arguments))
    options, settings = ready.options, ready.settings
    set_run(settings.commit.run_id)
    if options.reads_messages:
        _run_messages(ready, console)
        return
    commit = settings.commit
    if options.run_id is not None:
        complete_interrupted(commit, console)
        if is_committed(commit):
            console.print(f"the run {commit.run_id} was committed already; nothing to do")
            tell(options, commit, console)
            return
    ready.look_before_output()
    for directory in ready.inputs.skipped_directories:
        console.print(f"skipped {directory}: a directory", soft_wrap=True, markup=False)
    same = None
    if options.run_id is None and options.write_mode != "overwrite":
        same = interrupted_same(commit, ready.inputs.files)
    complete_interrupted(commit, console)
    if same is not None:
        commit = replace(commit, run_id=same)
        console.print("it read the same input in the same way; nothing more to do")
    else:
        display = ProgressBar(console, ready.inputs.bytes)
        launch_or_clear(settings, ready.engine, display, options.debug)
        if is_detached(ready.engine):
            print_detached(ready.engine, commit, console)
            return
    judge(tell(options, commit, console), options.max_dead_letter_fraction)


def _run_messages(ready: Preflight, console: Console) -> None:
    options, commit = ready.options, ready.settings.commit
    ready.look_before_output()
    complete_interrupted(commit, console)
    report, stopped = read_messages(options, ready.settings, ready.engine, console)
    if report is not None:
        say(options, report_of(commit.output, report), console)
    if stopped is not None:
        raise stopped
    if report is None:
        print_detached(ready.engine, commit, console)
    else:
        judge(report, options.max_dead_letter_fraction)


def complete_interrupted(commit: CommitSettings, console: Console) -> None:
    """Completes or removes what dead runs left, and says so."""
    for run_id in recover(commit):
        console.print(f"completed the run {run_id}, which was interrupted while committing")


def launch_or_clear(
    settings: GraphSettings, engine: PipelineOptions, display: ProgressBar, debug: bool
) -> None:
    """Runs the graph to its commit, or leaves nothing behind.

    The next run removes what a job on other machines has staged: a command that does not wait for
    its end cannot know whether the job is alive.

    Args:
        settings: What the graph is made of.
        engine: Beam's options.
        display: Shows how far it is.
        debug: Whether to show what the engine says.

    Raises:
        JobStatusError: The run could not be done.
    """
    with removed_where_unused(settings.commit):
        try:
            check_output(settings.commit)
            launch(settings, engine, debug, display)
        except BaseException as error:
            if ends_with_command(engine):
                clear_staging(settings.commit)
                if isinstance(error, StoppedBySignal):
                    error.outcome = _outcome(settings.commit)
            raise


def _outcome(commit: CommitSettings) -> str:
    """Describes how far the commit of a run came that is stopped now."""
    if filesystem.exists(pending_path(commit.output, commit.run_id)):
        return "the next run into this output completes the commit"
    if is_committed(commit):
        return "everything was committed just before"
    return "nothing was committed"


def tell(options: RunOptions, commit: CommitSettings, console: Console) -> Manifest:
    """Says what a committed run did, and returns its report."""
    manifest = Manifest.from_json(filesystem.read(manifest_path(commit.output, commit.run_id)))
    report = report_of(commit.output, manifest)
    say(options, report, console)
    return report


def say(options: RunOptions, report: Manifest, console: Console) -> None:
    """Writes the report file, if one is wanted, and prints the summary."""
    if options.report is not None:
        write_report(options.report, report)
    print_summary(report, options, console)


def judge(report: Manifest, max_dead_letter_fraction: float) -> None:
    """Looks at what a run that was just committed has to tell by its exit code.

    Raises:
        InputError: An input was damaged.
        TooManyDeadLettersError: There were too many.
    """
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
