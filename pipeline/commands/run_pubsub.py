"""Reads Pub/Sub: in rounds until the subscription is empty, or as a stream until stopped."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.graph import GraphSettings
from pipeline.options import RunOptions
from pipeline.report import ProgressBar
from pipeline.runners import (
    RunGraph,
    is_bound_to_command,
    is_detached,
    is_local,
    may_be_running,
    run_supervised,
)
from pipeline.setup import owned_output
from schemas.errors import ForeignPathError, JobStatusError, OutputError, StoppedBySignal
from schemas.manifest import Manifest
from transforms.local import Retry
from transforms.pubsub import give_back_all, release
from transforms.storage import (
    filesystem,
    manifest_path,
    pending_path,
    read_manifest,
    read_manifests,
)
from transforms.write import add_commits, begun_ack_ids, clear_staging_of


def read_messages(
    options: RunOptions, settings: GraphSettings, beam: PipelineOptions, console: Console
) -> tuple[Manifest | None, BaseException | None]:
    """Reads, commits and acknowledges messages.

    Returns:
        The sum of all commits, or None for a detached job; and the error that ended the run: a
        signal, or a JobStatusError after which Pub/Sub delivers the other messages again.
    """
    assert settings.messages is not None
    mark = settings.commit.run_id.rpartition("-")[2]
    started = time.monotonic()
    report = Manifest(
        run_id=settings.commit.run_id,
        mapping_fingerprint=settings.commit.mapping_fingerprint,
        mapping_files=list(settings.commit.mapping_files),
        patterns=list(settings.commit.patterns),
    )
    ended_by: BaseException | None = None
    with (
        owned_output(settings.commit, mark, is_bound=is_bound_to_command(beam)),
        tempfile.TemporaryDirectory(prefix="job-status-", ignore_cleanup_errors=True) as directory,
    ):
        stop_file, log = (os.path.join(directory, name) for name in ("stop-pulling", "commits"))
        settings = _with_local_files(settings, stop_file, log if is_local(beam) else None)

        def work(run: RunGraph) -> None:
            if options.drain:
                console.print("draining the subscription")
                _Drain(run, settings, options, console, report).run()
            else:
                if is_local(beam):
                    console.print("reading until stopped (Ctrl-C)")
                run(replace(settings, commit=replace(settings.commit, run_id=mark, started_at=0.0)))

        def stop() -> None:
            Path(stop_file).touch()
            console.print("stopping once what was pulled is committed; a second signal ends it now")

        try:
            on_signal = stop if is_local(beam) else None
            run_supervised(
                work, beam, options.debug, ProgressBar(console), on_signal, options.metrics_port
            )
        except (StoppedBySignal, JobStatusError) as error:
            ended_by = error
        finally:
            given_back = _give_back(settings.commit.output, mark)
            if not may_be_running(ended_by, beam):
                clear_staging_of(settings.commit, mark)
        if given_back:
            console.print(f"{given_back:,} messages were not committed; they were given back")
        if is_detached(beam):
            return None, ended_by
        if not options.drain and is_local(beam):
            add_commits(report, log)
        elif not options.drain:
            for _, each in read_manifests(settings.commit.output, mark):
                report.add(each)
    report.duration_seconds = round(time.monotonic() - started, 3)
    report.events_per_second = round(report.read / report.duration_seconds)
    return report, ended_by


def _give_back(output: str, mark: str) -> int:
    """Gives back the messages that this process holds, and returns their number.

    It keeps those of a commit that has begun: the next start completes it, and acknowledges them.
    """
    with suppress(JobStatusError):
        for name, ack_ids in begun_ack_ids(output, mark):
            release(name, ack_ids)
    return give_back_all()


def _with_local_files(
    settings: GraphSettings, stop_file: str, commit_log: str | None
) -> GraphSettings:
    """Adds the files by which a run on this machine is stopped, and tells what it committed."""
    assert settings.messages is not None
    messages = settings.messages
    retry = replace(messages.pull.retry, stop_file=stop_file)
    messages = replace(
        messages,
        pull=replace(messages.pull, retry=retry),
        panes=replace(messages.panes, retry=retry, commit_log=commit_log),
    )
    return replace(settings, messages=messages)


class _Drain:
    """Pulls, commits and acknowledges in rounds, until a round finds no message of the backlog.

    The backlog is what was published before the drain began, and in the idle time after that: the
    clocks of two machines differ.
    """

    def __init__(
        self,
        run: RunGraph,
        settings: GraphSettings,
        options: RunOptions,
        console: Console,
        report: Manifest,
    ) -> None:
        assert settings.messages is not None and settings.messages.drain is not None
        self._run = run
        self._settings = settings
        self._messages = settings.messages
        self._limits = settings.messages.drain
        self._options = options
        self._console = console
        self._report = report
        self._numbers = itertools.count()
        self._start = time.monotonic()
        self._backlog_end = time.time() + options.idle_seconds

    def run(self) -> None:
        """Runs the rounds, and adds their commits to the report."""
        retry: Retry = self._messages.pull.retry
        while True:
            manifest = retry.call(self._round, OutputError, self._clear)
            if manifest is None:
                return
            self._report.add(manifest)
            if retry.is_stopped():
                return
            if self._seconds_left() == 0.0 or not self._had_backlog(manifest):
                self._console.print("later messages may be left in the subscription")
                return

    def _round(self) -> Manifest | None:
        """Runs a round, and returns its manifest, or None if it found no message."""
        # A round that is repeated gets other messages: it is another commit.
        run_id = f"{self._settings.commit.run_id}-{next(self._numbers):04d}"
        self._pending = pending_path(self._settings.commit.output, run_id)
        limits = replace(
            self._limits, total_seconds=self._seconds_left(), published_before=self._backlog_end
        )
        commit = replace(self._settings.commit, run_id=run_id, started_at=time.time())
        messages = replace(self._messages, drain=limits)
        self._run(replace(self._settings, commit=commit, messages=messages))
        path = manifest_path(commit.output, run_id)
        return read_manifest(path) if filesystem.exists(path) else None

    def _clear(self, error: Exception, wait: float) -> None:
        """Gives back the messages of a round that failed, so that the next one gets them."""
        # A commit that has begun was retried already. The next run completes it.
        if isinstance(error, ForeignPathError) or filesystem.exists(self._pending):
            raise error
        count = give_back_all()
        self._console.print(
            f"{error.args[0]}; {count:,} messages were given back; trying again in {wait:.1f} s",
            soft_wrap=True,
            markup=False,
        )
        # Not the directory of the run itself, which shows that it is active.
        clear_staging_of(self._settings.commit, f"{self._settings.commit.run_id}-")

    def _seconds_left(self) -> float | None:
        if self._options.max_seconds is None:
            return None
        return max(0.0, self._start + self._options.max_seconds - time.monotonic())

    def _had_backlog(self, manifest: Manifest) -> bool:
        end = datetime.fromtimestamp(self._backlog_end, timezone.utc)
        return datetime.fromisoformat(manifest.oldest_message) < end
