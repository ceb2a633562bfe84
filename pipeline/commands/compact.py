"""`job-status compact`: rewrites the committed files of many runs as few large ones."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timedelta, timezone

import apache_beam as beam
from rich.console import Console

from pipeline.commands.owned_run import owned_run
from pipeline.options import CompactOptions
from pipeline.report import ProgressBar, counted, duration_text, set_run, size_text
from pipeline.runners import beam_options, check_runner, is_detached, run_supervised
from schemas.errors import InputError, OutputError
from schemas.manifest import Manifest
from transforms.compact import Compact, CompactSettings, Sources, find_sources, replacement_of
from transforms.local import LocalRun
from transforms.storage import (
    COMPACTION,
    file_paths,
    locked,
    manifest_directory,
    manifest_files,
    manifest_path,
    read_manifest,
    set_filesystem_options,
)
from transforms.write import CommitSettings, new_run_id, recover

_PASSES = 2


def compact(options: CompactOptions, beam_arguments: list[str], console: Console) -> None:
    """Compacts an output.

    Raises:
        InputError: There is no output, or one of its files is damaged.
        OutputError: Another compaction is running, another run changed the files meanwhile, or the
            output cannot be written. Nothing is changed.
    """
    for path in (options.output, options.dead_letter_output):
        if path is not None:
            file_paths.check_path(path)
    set_filesystem_options(beam_arguments)
    settings = _commit_settings(options)
    set_run(settings.run_id)
    if not manifest_files(settings.output):
        raise InputError(
            f"there is nothing to compact at {options.output}: it holds no manifest",
            "give the --output of earlier runs",
        )
    if options.dry_run:
        console.print(_plan_text(_find(options, settings), options), soft_wrap=True, markup=False)
        return
    with locked(manifest_directory(settings.output), wait=False) as is_alone:
        if not is_alone:
            raise OutputError(
                f"another compaction of {options.output} is running; nothing was changed",
                "wait for its end",
            )
        _compact(options, settings, beam_arguments, console)


def _compact(
    options: CompactOptions, settings: CommitSettings, beam_arguments: list[str], console: Console
) -> None:
    for run_id in recover(settings):
        console.print(f"completed the run {run_id}, which was interrupted while committing")
    sources = _find(options, settings)
    if sources.is_compact(options.partition_by):
        console.print(_plan_text(sources, options), soft_wrap=True, markup=False)
        return
    beam_settings = beam_options(beam_arguments, input_bytes=sources.bytes, debug=options.debug)
    check_runner(beam_settings)
    graph = CompactSettings(
        commit=settings,
        replacement=replacement_of(sources, options.partition_by),
        tasks=sources.tasks(),
        seed=secrets.randbits(63),
    )
    progress = ProgressBar(console, _PASSES * sources.bytes)
    with owned_run(settings, beam_settings):
        run_supervised(
            lambda run: run(graph), beam_settings, options.debug, progress, build_graph=_build
        )
    if is_detached(beam_settings):
        console.print("handed over to the runner; nothing is committed yet")
        return
    manifest = read_manifest(manifest_path(settings.output, settings.run_id))
    console.print(_result_text(sources, manifest), soft_wrap=True, markup=False)


def _build(root: beam.Pipeline, graph: CompactSettings, local_run: LocalRun) -> None:
    _ = root | "Compact" >> Compact(graph, local_run)


def _commit_settings(options: CompactOptions) -> CommitSettings:
    dead_letter_output = options.dead_letter_output
    return CommitSettings(
        output=file_paths.normal(options.output),
        run_id=COMPACTION + new_run_id(),
        mapping_fingerprint="",
        dead_letter_output=dead_letter_output and file_paths.normal(dead_letter_output),
        write_mode="append",
        codec=options.codec,
        target_file_bytes=options.target_file_bytes,
        started_at=time.time(),
    )


def _find(options: CompactOptions, settings: CommitSettings) -> Sources:
    before = datetime.now(timezone.utc) - timedelta(seconds=options.older_than)
    return find_sources(settings.output, settings.roots, before)


def _plan_text(sources: Sources, options: CompactOptions) -> str:
    """Says what a compaction would do."""
    runs = counted(len(sources.manifests), "manifest")
    if not sources.manifests:
        return "nothing to compact: no run is old enough (--older_than); nothing was changed"
    if sources.is_compact(options.partition_by):
        return "nothing to compact: no run is old enough since the last one; nothing was changed"
    return (
        f"would compact {runs}: "
        f"{counted(len(sources.files), 'file')}, {size_text(sources.bytes)}, "
        f"{counted(sources.records, 'record')}"
    )


def _result_text(sources: Sources, manifest: Manifest) -> str:
    """Says what a compaction has done."""
    kept = manifest.written + manifest.dead_lettered
    folders = {file_paths.parent(file.path) for file in manifest.files}
    lines = [
        f"in         {sources.records:,} in {counted(len(sources.files), 'file')}",
        f"duplicates {sources.records - kept:,}",
        f"out        {kept:,} in {counted(len(manifest.files), 'file')}, "
        f"{size_text(sum(file.bytes for file in manifest.files))}, "
        f"{counted(len(folders), 'folder')}, in {duration_text(manifest.duration_seconds)}",
    ]
    if sources.deleted:
        lines.insert(1, f"deleted    {counted(sources.deleted, 'replayed dead letter')}")
    return "\n".join(lines)
