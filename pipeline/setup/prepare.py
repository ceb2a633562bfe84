"""Turns the options of a run into the settings of its graph, and checks its input and output."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import tzinfo

from pipeline.graph import GraphSettings, MessageSettings
from pipeline.options import RunOptions
from pipeline.report import check_report, counted
from schemas.errors import InputError, OutputError, UsageError
from schemas.mapping import Mapping
from transforms.blocks import Context
from transforms.local import Retry
from transforms.parse import Accounts, zone_of
from transforms.pubsub import (
    DrainLimits,
    PullSettings,
    WindowLimits,
    check_installed,
    checked_name,
)
from transforms.read import DeadLetterFile, ReadLimits, find_dead_letters, merged, replayed
from transforms.storage import (
    InputPlan,
    ReadBefore,
    committed_run,
    file_paths,
    filesystem,
    is_below,
    manifest_directory,
    manifests_to_replace,
    read_before,
    read_manifests,
)
from transforms.write import CommitSettings, PaneSettings, check_links, new_run_id

_DRAIN_SHARE_OF_LEASE = 1 / 3
"""The part of the lease in which one round of a drain pulls. The rest is for its commit."""


_WINDOWS_HELD = 2
"""Pulling pauses while this many full windows are not acknowledged: one is filled while another one
is committed."""


@dataclass(frozen=True)
class Inputs:
    """The files to read, as they are when the run starts; for a replay, as `dead_letters` too.

    Attributes:
        skipped: Number of files that --skip_read leaves out.
        notes: Lines for the user about what is skipped.
        plan: The same for the workers, with --skip_read.
    """

    files: list[filesystem.InputFile]
    notes: list[str] = field(default_factory=list)
    dead_letters: list[DeadLetterFile] | None = None
    skipped: int = 0
    plan: InputPlan | None = None

    @property
    def bytes(self) -> int:
        """Returns their total size."""
        return sum(file.size for file in self.files)


def prepare(
    options: RunOptions,
    mapping: Mapping,
    *,
    accounts: Accounts | None = None,
    is_replay: bool = False,
) -> GraphSettings:
    """Makes the settings of a graph. Does not touch the input or the output.

    Raises:
        UsageError: The run id, the report, the output, the name of a subscription or the time zone
            is not valid.
    """
    if options.report is not None:
        check_report(options.report)
    for path in (options.output, options.dead_letter_output):
        if path is not None:
            file_paths.check_path(path)
    _check_dead_letter_output(options)
    dead_letter_output = options.dead_letter_output
    patterns = [file_paths.normal(pattern) for pattern in options.input]
    names = [name for name in (options.input_subscription, options.input_topic) if name is not None]
    return GraphSettings(
        patterns=patterns,
        messages=_message_settings(options) if options.reads_messages else None,
        input_format=options.input_format,
        limits=ReadLimits(options.max_event_bytes, options.max_document_bytes),
        event_types=tuple(options.event_types),
        context=Context(default_provider=options.provider, account_id=options.account_id),
        accounts=accounts,
        assumed_zone=_assumed_zone(options),
        mapping=mapping,
        payload_policy=options.dead_letter_payload,
        commit=CommitSettings(
            output=file_paths.normal(options.output),
            run_id=new_run_id() if options.run_id is None else checked_run_id(options.run_id),
            mapping_fingerprint=mapping.fingerprint,
            mapping=mapping,
            accounts_fingerprint="" if accounts is None else accounts.fingerprint,
            mapping_files=tuple(options.mapping),
            patterns=tuple(patterns or names),
            dead_letter_output=dead_letter_output and file_paths.normal(dead_letter_output),
            write_mode=options.write_mode,
            codec=options.codec,
            target_file_bytes=options.target_file_bytes,
            keep_damaged=options.on_damaged_input == "keep",
            started_at=time.time(),
            request=_request_digest(options, mapping, accounts),
            is_replay=is_replay,
            skip_read=options.skip_read,
            from_messages=options.reads_messages,
        ),
    )


def _check_dead_letter_output(options: RunOptions) -> None:
    """Raises UsageError if dead letters would be among the records, for example: a reader of all
    files below `job_status` expects one schema."""
    if options.dead_letter_output is None:
        return
    letters, output = map(file_paths.normal, (options.dead_letter_output, options.output))
    for name in ("job_status", "_manifest", "_staging"):
        own = file_paths.join(output, name)
        if letters.rstrip("/") == own or is_below(own, letters.rstrip("/")):
            raise UsageError(
                f"--dead_letter_output {options.dead_letter_output} is in {own}, which is not for "
                "dead letters",
                "choose another directory, or leave it out for DIR/dead_letter",
            )


def _assumed_zone(options: RunOptions) -> tzinfo | None:
    if options.assume_timezone is None:
        return None
    try:
        return zone_of(options.assume_timezone)
    except ValueError as error:
        raise UsageError(
            f"--assume_timezone {options.assume_timezone}: {error}",
            "use a name such as Europe/Paris, or an offset: --assume_timezone=-05:00",
        ) from error


def _message_settings(options: RunOptions) -> MessageSettings:
    check_installed()
    if options.input_topic is not None:
        checked_name(options.input_topic, "topic")
    if options.input_subscription is not None:
        checked_name(options.input_subscription, "subscription")
    seconds = options.lease_seconds * _DRAIN_SHARE_OF_LEASE
    retry = Retry(options.retry_seconds)
    return MessageSettings(
        options.input_subscription,
        options.input_topic,
        PullSettings(
            lease_seconds=options.lease_seconds,
            pullers=options.pullers,
            held_bytes=_WINDOWS_HELD * options.max_window_bytes,
            max_event_bytes=options.max_event_bytes,
            retry=retry,
        ),
        DrainLimits(seconds=seconds, idle_seconds=options.idle_seconds) if options.drain else None,
        WindowLimits(options.window_seconds, options.max_window_bytes),
        PaneSettings(options.window_seconds, options.shards, retry=retry),
    )


def _request_digest(options: RunOptions, mapping: Mapping, accounts: Accounts | None) -> str:
    """Returns a digest of the options that decide which records the same input gives."""
    request = asdict(options)
    paths = ("output", "mapping", "accounts", "report")
    for name in (*paths, "run_id", "write_mode", "log_format", "debug"):
        del request[name]
    request["input"] = [file_paths.normal(pattern) for pattern in options.input]
    request["mapping_fingerprint"] = mapping.fingerprint
    request["accounts_fingerprint"] = accounts and accounts.fingerprint
    text = json.dumps(request, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def checked_run_id(run_id: str) -> str:
    """Returns a run id; raises UsageError if it cannot be part of a file name."""
    if re.fullmatch("[A-Za-z0-9_-]{1,100}", run_id) is None:
        raise UsageError(
            "--run_id must be 1 to 100 letters, digits, - or _",
            "for example --run_id backfill-2025-05-01",
        )
    return run_id


def find_inputs(options: RunOptions) -> Inputs:
    """Finds the files to read, and opens all local ones and one other to check access.

    Raises:
        InputError: A pattern matches no file, a file that was opened cannot be read, or its path is
            not UTF-8.
        OutputError: With --skip_read, a manifest of the output cannot be read.
        UsageError: No filesystem is installed for a path's scheme, or the report would replace a
            file that the run reads.
    """
    matches = []
    for pattern in options.input:
        file_paths.check_scheme(pattern)
        matched = filesystem.match(pattern)
        matches.append(matched)
        if matched.files or options.allow_no_input:
            continue
        if matched.directories:
            raise InputError(
                f"--input {pattern} is a directory, not a file",
                f"to read what is in it: --input '{pattern.rstrip('/')}/*'",
            )
        raise InputError(
            f"no file matches --input {pattern}",
            "check the path, or allow it with --allow_no_input",
        )
    matched = merged(matches)
    _check_report(options, [file.path for file in matched.files])
    notes = [f"skipped {path}: a directory" for path in matched.directories]
    files, skipped, plan = matched.files, 0, None
    if options.skip_read:
        before = read_before(file_paths.normal(options.output), files)
        files = [file for file in files if file.path not in before.unchanged]
        skipped = len(before.unchanged)
        notes += _notes_on(before)
        plan = InputPlan(files, skipped, len(before.changed), before.manifests)
    # Opening an object takes a request, so opening a million takes hours. An unreadable file that
    # is found later still prevents the commit.
    local = [file for file in files if file_paths.is_local(file.path)]
    remote = [file for file in files if not file_paths.is_local(file.path)]
    for file in local + remote[:1]:
        filesystem.open_for_reading(file.path).close()
    return Inputs(files, notes, skipped=skipped, plan=plan)


def _check_report(options: RunOptions, inputs: list[str]) -> None:
    """Raises UsageError if the report would replace a file that the run reads, or be in the way of
    the manifests."""
    if options.report is None:
        return
    report, hint = file_paths.normal(options.report), "choose another name for the report"
    others = [path for path in (*options.mapping, options.accounts) if path is not None]
    if report in inputs or report in map(file_paths.normal, others):
        raise UsageError(
            f"--report {options.report} would replace a file that this run reads", hint
        )
    if file_paths.parent(report) == manifest_directory(file_paths.normal(options.output)):
        raise UsageError(f"--report {options.report} would be among the manifests", hint)


def _notes_on(before: ReadBefore) -> Iterator[str]:
    if before.unchanged:
        yield f"skipped {counted(len(before.unchanged), 'file')} that earlier runs have read"
    if before.changed:
        text = f"{counted(len(before.changed), 'file')} changed since earlier runs read them"
        yield f"{text}; reading again: {min(before.changed)}" + (
            f" and {len(before.changed) - 1:,} more" if len(before.changed) > 1 else ""
        )


def find_inputs_of_replay(options: RunOptions) -> Inputs:
    """Finds the files of dead letters that no replay into the output has read yet.

    Raises:
        InputError: There are no dead letters, a manifest lists a missing file of them, or the path
            of a file is not UTF-8.
        OutputError: A manifest cannot be read.
        UsageError: No filesystem is installed for the path's scheme.
    """
    (path,), output = options.input, file_paths.normal(options.output)
    file_paths.check_scheme(path)
    found = find_dead_letters(path, [output])
    for file in found:
        file_paths.check_utf8(file.path, InputError)
    done = replayed(found, output)
    left = [file for file in found if file not in done]
    note = f"skipped {counted(len(done), 'file')} of dead letters that were replayed before"
    return Inputs(
        [filesystem.InputFile(file.path, file.size) for file in left], [note] if done else [], left
    )


def check_output(settings: CommitSettings) -> None:
    """Checks that a run may write to the output.

    Raises:
        ForeignPathError: A link or a manifest in it leads out of the output.
        OutputError: It holds a run and `--write_mode` is `error`.
    """
    check_links(settings)
    if settings.write_mode == "overwrite":
        manifests_to_replace(settings.output, settings.roots)
    if settings.write_mode == "error":
        found = read_manifests(settings.output)
        if found:
            raise OutputError(
                f"the output {settings.output} holds a run already ({found[0][1].run_id})",
                "choose another --output, or --write_mode append or overwrite",
            )


def check_same_input(settings: CommitSettings) -> None:
    """Checks that the run with this id, which is committed, was to read the same input.

    Raises:
        UsageError: It was to read other patterns.
    """
    manifest = committed_run(settings.output, settings.run_id)
    if manifest is not None and sorted(manifest.patterns) != sorted(settings.patterns):
        before, now = (", ".join(each) for each in (manifest.patterns, settings.patterns))
        raise UsageError(
            f"the run {settings.run_id} is committed and has read {before}, not {now}",
            "choose another --run_id: one id is for one input",
        )


def is_committed(settings: CommitSettings) -> bool:
    """Returns whether the run is already committed; its files may be compacted since."""
    return committed_run(settings.output, settings.run_id) is not None
