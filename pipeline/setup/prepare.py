"""Settles all there is before a run starts: what it reads, where it writes, by which rules."""

from __future__ import annotations

import hashlib
import json
import secrets
import string
import time
from dataclasses import asdict, dataclass

from pipeline.graph import GraphSettings, MessageSettings
from pipeline.options import RunOptions
from pipeline.report import check_report
from pipeline.setup.text_file import read_text
from schemas.errors import InputError, OutputError, UsageError
from schemas.mapping import Mapping, load_mapping
from transforms.blocks import Context
from transforms.pubsub import DrainLimits, PullSettings, check_installed, checked_name
from transforms.read import ReadLimits, match_files
from transforms.storage import (
    file_paths,
    filesystem,
    manifest_path,
    manifests_to_replace,
    read_manifests,
)
from transforms.write import CommitSettings, PaneSettings, check_links

_RUN_ID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")
_MAX_RUN_ID = 100

_ROUND_OF_LEASE = 1 / 3
"""How much of the lease a round may pull for: the rest is for its commit."""


@dataclass(frozen=True)
class Inputs:
    """What the patterns matched when the run was started."""

    files: list[filesystem.FileInfo]
    skipped_directories: list[str]

    @property
    def bytes(self) -> int:
        """Their size together."""
        return sum(file.size for file in self.files)


def prepare(options: RunOptions, mapping: Mapping) -> GraphSettings:
    """Settles what a run will do, without touching its input or output.

    Args:
        options: Of the run.
        mapping: The tables in force.

    Raises:
        UsageError: The run id, the report, the output or the name of a subscription cannot be used.
    """
    if options.report is not None:
        check_report(options.report)
    for path in (options.output, options.dead_letter_output):
        if path is not None:
            file_paths.check_scheme(path)
    dead_letter_output = options.dead_letter_output
    return GraphSettings(
        patterns=[file_paths.normal(pattern) for pattern in options.input],
        messages=_messages(options) if options.reads_messages else None,
        input_format=options.input_format,
        limits=ReadLimits(options.max_event_bytes, options.max_document_bytes),
        event_types=tuple(options.event_types),
        context=Context(provider=options.provider, account_id=options.account_id),
        mapping=mapping,
        payload_policy=options.dead_letter_payload,
        commit=CommitSettings(
            output=file_paths.normal(options.output),
            run_id=new_run_id() if options.run_id is None else checked_run_id(options.run_id),
            mapping_fingerprint=mapping.fingerprint,
            dead_letter_output=dead_letter_output and file_paths.normal(dead_letter_output),
            write_mode=options.write_mode,
            codec=options.codec,
            target_file_bytes=options.target_file_bytes,
            keep_damaged=options.on_damaged_input == "keep",
            started_at=time.time(),
            request=_request(options, mapping),
            from_messages=options.reads_messages,
        ),
    )


def _messages(options: RunOptions) -> MessageSettings:
    check_installed()
    if options.input_topic is not None:
        checked_name(options.input_topic, "topic")
    if options.input_subscription is not None:
        checked_name(options.input_subscription, "subscription")
    rounds = None
    if options.drain:
        seconds = options.lease_seconds * _ROUND_OF_LEASE
        rounds = DrainLimits(seconds=seconds, idle_seconds=options.idle_seconds)
    return MessageSettings(
        options.input_subscription,
        options.input_topic,
        PullSettings(
            lease_seconds=options.lease_seconds,
            pullers=options.pullers,
            max_event_bytes=options.max_event_bytes,
        ),
        rounds,
        PaneSettings(options.window_seconds, options.shards),
    )


def _request(options: RunOptions, mapping: Mapping) -> str:
    """A digest of what decides which records a run writes, apart from the content of its input."""
    asked = asdict(options)
    for name in ("output", "run_id", "write_mode", "mapping", "report", "log_format", "debug"):
        del asked[name]
    asked["input"] = [file_paths.normal(pattern) for pattern in options.input]
    asked["mapping_fingerprint"] = mapping.fingerprint
    text = json.dumps(asked, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read_mapping(path: str | None) -> Mapping:
    """Loads the tables in force.

    Raises:
        UsageError: The user's file cannot be read or is wrong.
    """
    return load_mapping() if path is None else load_mapping(read_text(path, "the mapping"), path)


def new_run_id() -> str:
    """A run id that sorts by time and meets no other."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"


def checked_run_id(run_id: str) -> str:
    """A run id becomes part of file names, so it must be plain.

    Raises:
        UsageError: It is not.
    """
    if not _RUN_ID_CHARACTERS.issuperset(run_id) or not 0 < len(run_id) <= _MAX_RUN_ID:
        raise UsageError(
            f"--run_id must be 1 to {_MAX_RUN_ID} letters, digits, - or _",
            "for example --run_id backfill-2025-05-01",
        )
    return run_id


def find_inputs(options: RunOptions) -> Inputs:
    """Looks whether there is something to read.

    Raises:
        InputError: A pattern matches no file, or a file that was tried cannot be read.
        UsageError: No filesystem is installed for a path's scheme.
    """
    for pattern in options.input:
        file_paths.check_scheme(pattern)
        matched = match_files([file_paths.normal(pattern)])
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
    matched = match_files([file_paths.normal(pattern) for pattern in options.input])
    for file in _to_try(matched.files):
        filesystem.open_for_reading(file.path).close()
    return Inputs(matched.files, matched.directories)


def _to_try(files: list[filesystem.FileInfo]) -> list[filesystem.FileInfo]:
    """All local files, and of others one: it takes a request, and a million of them hours.

    One that cannot be read later keeps the run from committing all the same.
    """
    local = [file for file in files if file_paths.is_local(file.path)]
    return local + [file for file in files if not file_paths.is_local(file.path)][:1]


def check_output(settings: CommitSettings) -> None:
    """Checks that the output can be written, and may be.

    Raises:
        ForeignPathError: A link or a manifest in it leads to what is not its own.
        OutputError: It cannot, or it holds a run already and `--write_mode` is `error`.
    """
    check_links(settings)
    if settings.write_mode == "overwrite":
        manifests_to_replace(settings.output, settings.roots)
    for place in settings.places():
        probe = file_paths.join(place.staging(settings.run_id), "probe")
        # Not an empty one: Beam cannot write an empty object to S3.
        filesystem.write(probe, b"probe")
        filesystem.delete([probe])
    if settings.write_mode == "error":
        found = read_manifests(settings.output)
        if found:
            raise OutputError(
                f"the output {settings.output} holds a run already ({found[0][1].run_id})",
                "choose another --output, or --write_mode append or overwrite",
            )


def is_committed(settings: CommitSettings) -> bool:
    """Whether the run was committed before."""
    return filesystem.exists(manifest_path(settings.output, settings.run_id))
