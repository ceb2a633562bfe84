"""`job-status run` and `replay`: check, run the graph to its commit, and report the result."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from pipeline.commands.owned_run import owned_run
from pipeline.commands.run_pubsub import read_messages
from pipeline.mapping import suggest_text
from pipeline.options import RunOptions
from pipeline.report import (
    ProgressBar,
    compared,
    counted,
    print_summary,
    report_of,
    set_run,
    write_report,
)
from pipeline.report.html import PageDetails, page_details
from pipeline.runners import is_detached, run_supervised, runner_name
from pipeline.setup import Preflight, check_same_input, is_committed
from schemas.errors import InputError, JobStatusError, TooManyDeadLettersError
from schemas.manifest import Manifest
from transforms.pubsub import acknowledge_completed
from transforms.storage import (
    committed_run,
    manifest_directory,
    newest_manifest,
    plan_path,
    write_plan,
)
from transforms.write import CommitSettings, interrupted_same, recover


def run(options: RunOptions, beam_arguments: list[str], console: Console) -> None:
    """Runs the job on files or Pub/Sub.

    Raises:
        JobStatusError: The run failed, or its exit code reports a problem with the data.
    """
    preflight = Preflight(options, beam_arguments, console)
    set_run(preflight.settings.commit.run_id)
    if options.reads_messages:
        _run_messages(preflight, console)
    else:
        _run_files(preflight, console)


def replay(options: RunOptions, beam_arguments: list[str], console: Console) -> None:
    """Runs the job on dead letters. Raises the same errors as `run`."""
    preflight = Preflight(options, beam_arguments, console, is_replay=True)
    set_run(preflight.settings.commit.run_id)
    _run_files(preflight, console)


def _run_files(preflight: Preflight, console: Console) -> None:
    options, commit = preflight.options, preflight.settings.commit
    # An interrupted run decides which inputs are left, so complete it before they are searched.
    leaves_out = preflight.is_replay or options.skip_read
    is_completed_first = options.run_id is not None or leaves_out
    if is_completed_first:
        _complete_interrupted(commit, console)
        if is_committed(commit):
            check_same_input(commit)
            console.print(f"the run {commit.run_id} was committed already; nothing to do")
            print_report(preflight, load_report(commit), console)
            return
    preflight.check_before_output()
    inputs = preflight.inputs
    for note in inputs.notes:
        console.print(note, soft_wrap=True, markup=False)
    if leaves_out and not inputs.files:
        what = "dead letters to replay" if preflight.is_replay else "new or changed files"
        console.print(f"there are no {what}; nothing was changed")
        _write_report(preflight, Manifest(run_id=commit.run_id, skipped_inputs=inputs.skipped))
        return
    same: str | None = None
    if not is_completed_first:
        if options.write_mode != "overwrite":
            same = interrupted_same(commit, inputs.files)
        _complete_interrupted(commit, console)
        if same is not None and not is_committed(replace(commit, run_id=same)):
            same = None  # its staged files are gone
    before = None if preflight.is_replay or same else newest_manifest(commit.output)
    if same is not None:
        console.print("it read the same input in the same way; nothing more to do")
        commit = replace(commit, run_id=same)
    else:
        settings = replace(preflight.settings, dead_letters=inputs.dead_letters)
        progress = ProgressBar(console, inputs.bytes)
        with owned_run(commit, preflight.beam):
            if inputs.plan is not None:
                write_plan(plan_path(commit.output, commit.run_id), inputs.plan)
            run_supervised(
                lambda run: run(settings),
                preflight.beam,
                options.debug,
                progress,
                metrics_port=options.metrics_port,
            )
        if is_detached(preflight.beam):
            _print_detached(preflight, console)
            return
    report = compared(load_report(commit), before)
    print_report(preflight, report, console)
    raise_for_outcome(report, options.max_dead_letter_fraction)


def _run_messages(preflight: Preflight, console: Console) -> None:
    options, commit = preflight.options, preflight.settings.commit
    preflight.check_before_output()
    assert preflight.settings.messages is not None
    _complete_interrupted(commit, console, preflight.settings.messages.subscription)
    before = newest_manifest(commit.output)
    report, ended_by = read_messages(options, preflight.settings, preflight.beam, console)
    if report is not None and not (isinstance(ended_by, JobStatusError) and not report.files):
        report = compared(report_of(commit.output, report), before)
        print_report(preflight, report, console)
    if ended_by is not None:
        raise ended_by
    if report is None:
        _print_detached(preflight, console)
    else:
        raise_for_outcome(report, options.max_dead_letter_fraction)


def _complete_interrupted(
    commit: CommitSettings, console: Console, subscription: str | None = None
) -> None:
    """Completes the commits of runs that died, and removes what else they left.

    Acknowledges the messages of a completed commit if they are of the subscription of this run.
    """

    def acknowledge(name: str, ack_ids: list[str]) -> None:
        if name == subscription:
            count = acknowledge_completed(name, ack_ids)
            console.print(
                f"acknowledged {count:,} of {len(ack_ids):,} messages of an interrupted commit"
            )

    for run_id in recover(commit, acknowledge):
        console.print(f"completed the run {run_id}, which was interrupted while committing")


def _print_detached(preflight: Preflight, console: Console) -> None:
    name, output = runner_name(preflight.beam), preflight.settings.commit.output
    console.print(
        f"handed over to {name}, nothing is committed yet; what will be is listed in "
        f"{manifest_directory(output)}",
        soft_wrap=True,
        markup=False,
    )


def load_report(commit: CommitSettings) -> Manifest:
    """Returns the report of a committed run; only its totals if a compaction has replaced it."""
    manifest = committed_run(commit.output, commit.run_id)
    assert manifest is not None
    return report_of(commit.output, manifest)


def print_report(preflight: Preflight, report: Manifest, console: Console) -> None:
    """Prints the summary. Writes the report file first if `--report` is given."""
    _write_report(preflight, report)
    print_summary(report, preflight.options, console)


def _write_report(preflight: Preflight, report: Manifest) -> None:
    options = preflight.options

    def details() -> PageDetails:
        name = f"the run {report.run_id}"
        rules = suggest_text(report.to_json(), preflight.mapping, name) if report.unmapped else ""
        command = "replay" if preflight.is_replay else "run"
        return page_details(report, options, command, preflight.beam_arguments, rules)

    if options.report is not None:
        write_report(options.report, report, details)


def raise_for_outcome(report: Manifest, max_dead_letter_fraction: float) -> None:
    """Raises the error for a problem with the data of a committed run.

    Raises:
        InputError: An input was damaged.
        TooManyDeadLettersError: No event was written, or the share of dead letters is larger than
            accepted.
        JobStatusError: The ledger does not balance.
    """
    if not report.conserved:
        raise JobStatusError("the ledger of the run does not balance")
    damaged = [each.path for each in report.inputs if each.damaged]
    if damaged:
        raise InputError(
            f"{len(damaged)} input(s) damaged, the first {damaged[0]}; what could be read of "
            "them was committed",
            "repair them and run them again; the report lists them",
        )
    outcomes = report.written + report.dead_lettered
    if report.dead_lettered and not report.written:
        raise TooManyDeadLettersError(
            f"no event was written: {counted(report.dead_lettered, 'dead letter')} committed",
            "each dead letter names its error: job-status dead-letters OUTPUT",
        )
    if outcomes and report.dead_lettered / outcomes > max_dead_letter_fraction:
        raise TooManyDeadLettersError(
            f"{report.dead_lettered:,} of {outcomes:,} events became dead letters, more than "
            f"--max_dead_letter_fraction {max_dead_letter_fraction:g}; everything was committed",
            "each dead letter names its error: job-status dead-letters OUTPUT",
        )
