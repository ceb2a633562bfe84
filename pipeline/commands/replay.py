"""`job-status replay`: runs what became dead letters again, once what was wrong is mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.commands.run import complete_interrupted, judge, launch_or_clear, tell
from pipeline.options import CommandParser, HelpFormatter, RunOptions, add_options, parse_with
from pipeline.report import ProgressBar, set_run, write_report
from pipeline.runners import beam_options, check_detached, is_detached, print_detached
from pipeline.setup import is_committed, read_mapping
from pipeline.setup.prepare import prepare
from schemas.manifest import Manifest
from transforms.blocks import NO_CONTEXT
from transforms.read import DeadLetterFile, find_dead_letters, replayed
from transforms.storage import file_paths

_OPTIONS = (
    "event_types",
    "max_event_bytes",
    "max_document_bytes",
    "output",
    "dead_letter_output",
    "write_mode",
    "run_id",
    "codec",
    "target_file_bytes",
    "mapping",
    "max_dead_letter_fraction",
    "dead_letter_payload",
    "on_damaged_input",
    "report",
    "log_format",
    "debug",
)
"""The options of a run that a replay has; what else its events need stands in their letters."""

_EXAMPLES = """\
examples:
  job-status replay out --output out --max_event_bytes 50000000
  job-status replay 'out/dead_letter/dead_letter-backfill-*.avro' --output out --report again.json

Files that a replay into the same output has run again are skipped.
"""


def replay(arguments: Sequence[str], console: Console) -> None:
    """Runs dead letters again.

    Args:
        arguments: The command line behind `replay`.
        console: For messages.

    Raises:
        JobStatusError: It could not be done, or has something to tell by its exit code.
    """
    options, beam_arguments = parse_replay(arguments)
    # Options may say where a filesystem is, an endpoint for instance.
    FileSystems.set_options(PipelineOptions(beam_arguments))
    file_paths.check_scheme(options.input[0])
    settings = prepare(options, read_mapping(options.mapping))
    set_run(settings.commit.run_id)
    commit = replace(settings.commit, is_replay=True)
    complete_interrupted(commit, console)
    if is_committed(commit):
        console.print(f"the run {commit.run_id} was committed already; nothing to do")
        tell(options, commit, console)
        return
    files = _to_replay(options.input[0], commit.output, console)
    if not files:
        console.print("there are no dead letters to replay; nothing was changed")
        if options.report is not None:
            write_report(options.report, Manifest(run_id=commit.run_id))
        return
    settings = replace(settings, dead_letters=files, context=NO_CONTEXT, commit=commit)
    size = sum(file.size for file in files)
    engine = beam_options(beam_arguments, input_bytes=size, debug=options.debug)
    check_detached(options, engine)
    launch_or_clear(settings, engine, ProgressBar(console, size), options.debug)
    if is_detached(engine):
        print_detached(engine, commit, console)
        return
    judge(tell(options, commit, console), options.max_dead_letter_fraction)


def _to_replay(path: str, output: str, console: Console) -> list[DeadLetterFile]:
    """The files that no replay into the output has run again; says how many others there are."""
    found = find_dead_letters(path, [output])
    done = replayed(found, output)
    if done:
        noun = "file" if len(done) == 1 else "files"
        console.print(f"skipped {len(done)} {noun} of dead letters that were replayed before")
    return [file for file in found if file not in done]


def parse_replay(arguments: Sequence[str]) -> tuple[RunOptions, list[str]]:
    """Parses the arguments of `replay`.

    Returns:
        The options of a run whose only input are the dead letters, and the arguments that are
        Beam's.

    Raises:
        UsageError: An option is missing, unknown or misspelt, or has a value that it cannot have.
    """
    return parse_with(replay_parser(), arguments, write_mode="append")


def replay_parser() -> CommandParser:
    """Makes the parser of `replay` out of those fields of RunOptions that it has."""
    parser = CommandParser(
        prog="job-status replay",
        description="Runs the payloads of dead letters again, each with what was known of it.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        usage="job-status replay DEAD_LETTERS --output DIR [options]",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "input",
        metavar="DEAD_LETTERS",
        nargs=1,
        help="the output of a run, a directory of dead letters, or a pattern of files",
    )
    add_options(parser, _OPTIONS)
    modes = next(action for action in parser._actions if action.dest == "write_mode")
    modes.choices = ("error", "append")
    modes.metavar = "error|append"
    modes.help = "where the output holds a run already (default: append)"
    return parser
