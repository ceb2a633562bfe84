"""Compact: the graph of a compaction.

Every file is read twice. The first pass writes the identities of all records, from which the
duplicates are found. The second pass copies the other records to the parts of the plan. Then each
group of parts is sorted and written. Only small records cross a GroupByKey; everything else is in
staged files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import AsSingleton, TaggedOutput

from transforms.blocks import Ledger
from transforms.compact.commit import Replacement, commit_compaction
from transforms.compact.committed_files import SourceFile
from transforms.compact.duplicates import (
    IDENTITIES_OF_A_BUCKET,
    find_duplicates,
    read_duplicates,
    write_duplicates,
    write_identities,
)
from transforms.compact.plan import Plan, make_plan
from transforms.compact.scatter import scatter
from transforms.compact.segments import Segment
from transforms.compact.sizes import SizeTally, longs, merged_sizes
from transforms.compact.sorted_files import write_group
from transforms.compact.sources import Task
from transforms.local import REMOTE_RUN, LocalRun, Progress, preserve_error_type
from transforms.storage import staging_directory
from transforms.write import CommitSettings


@dataclass(frozen=True)
class CompactSettings:
    """The settings of a compaction.

    Attributes:
        commit: Where and how to write.
        replacement: What it replaces.
        tasks: The files to read.
        seed: A secret number, so that no data can be made that overloads one worker.
    """

    commit: CommitSettings
    replacement: Replacement
    tasks: list[Task]
    seed: int

    @property
    def staging(self) -> str:
        """The directory of all staged files but those of dead letters elsewhere."""
        return staging_directory(self.commit.output, self.commit.run_id)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for task in self.tasks for file in task.files)


class _CompactFn(beam.DoFn):
    """Base of the steps: stops when a local run is over, and reports the progress."""

    counts_events = False

    def __init__(self, local_run: LocalRun) -> None:
        self._local_run = local_run

    def setup(self) -> None:
        self._local_run.watch()

    def _check(self, done: SourceFile | None = None) -> None:
        self._local_run.check()
        if done is not None:
            read = done.records if self.counts_events else 0
            self._local_run.report(Progress(bytes=done.bytes, read=read))


class _WriteIdentities(_CompactFn):
    def __init__(self, settings: CompactSettings, local_run: LocalRun) -> None:
        super().__init__(local_run)
        self._staging, self._seed = settings.staging, settings.seed
        self._buckets = -(-settings.replacement.records // IDENTITIES_OF_A_BUCKET) or 1

    def process(self, element: bytes) -> Iterator[Any]:
        task = msgspec.msgpack.decode(element, type=Task)
        tally = SizeTally(self._seed)
        with preserve_error_type():
            segments = write_identities(
                task.files, self._buckets, self._staging, tally, self._check
            )
        yield TaggedOutput("sizes", tally.to_bytes())
        yield from _encoded(segments)


class _FindDuplicates(_CompactFn):
    def __init__(self, settings: CompactSettings, local_run: LocalRun) -> None:
        super().__init__(local_run)
        self._staging = settings.staging
        self._first_files = [task.files[0].number for task in settings.tasks]

    def process(self, grouped: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        self._check()
        with preserve_error_type():
            positions = find_duplicates(_segments(grouped[1]))
            segments = write_duplicates(positions, self._first_files, self._staging)
        yield from _encoded(segments)


class _Scatter(_CompactFn):
    counts_events = True

    def __init__(self, settings: CompactSettings, local_run: LocalRun) -> None:
        super().__init__(local_run)
        self._staging = settings.staging

    def process(self, grouped: tuple[int, dict[str, Iterable[bytes]]], plan: Plan) -> Iterator[Any]:
        (element,) = grouped[1]["task"]
        task = msgspec.msgpack.decode(element, type=Task)
        with preserve_error_type():
            duplicates = read_duplicates(_segments(grouped[1]["duplicates"]))
            segments, ledger = scatter(task.files, duplicates, plan, self._staging, self._check)
        yield TaggedOutput("ledgers", ledger.to_bytes())
        yield from _encoded(segments)


class _WriteGroup(_CompactFn):
    def __init__(self, settings: CompactSettings, local_run: LocalRun) -> None:
        super().__init__(local_run)
        self._settings = settings.commit

    def process(self, grouped: tuple[int, Iterable[bytes]], plan: Plan) -> Iterator[bytes]:
        with preserve_error_type():
            files = write_group(_segments(grouped[1]), plan, self._settings, self._check)
        yield Ledger(files=files).to_bytes()


class _Commit(_CompactFn):
    def __init__(self, settings: CompactSettings, local_run: LocalRun) -> None:
        super().__init__(local_run)
        self._settings, self._replacement = settings.commit, settings.replacement

    def process(self, grouped: tuple[None, Iterable[bytes]]) -> Iterator[str]:
        ledger = Ledger.merged(grouped[1])
        # The launcher of a stopped run may be removing the staged files.
        self._check()
        with preserve_error_type():
            yield commit_compaction(self._settings, self._replacement, ledger)


class Compact(beam.PTransform):
    """Rewrites committed files and commits the result.

    Returns:
        A collection with the path of the manifest.
    """

    def __init__(self, settings: CompactSettings, local_run: LocalRun = REMOTE_RUN) -> None:
        super().__init__()
        self._settings = settings
        self._local_run = local_run

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        settings = self._settings
        numbered = [(each.number, msgspec.msgpack.encode(each)) for each in settings.tasks]
        tasks = root | "Tasks" >> beam.Create(numbered, reshuffle=False)
        nothing = root | "Nothing" >> beam.Create([Ledger().to_bytes()], reshuffle=False)
        read = (
            tasks
            | "Values" >> beam.Values()
            | "Spread" >> beam.Reshuffle()
            | "WriteIdentities"
            >> self._step(_WriteIdentities).with_outputs("sizes", main="identities")
        )
        no_sizes = root | "NoSizes" >> beam.Create([SizeTally(0).to_bytes()], reshuffle=False)
        plan = AsSingleton(
            ((read.sizes, no_sizes) | "AllSizes" >> beam.Flatten())
            | "SizesTogether" >> _together()
            | "Plan" >> beam.Map(_plan, _PlanSettings.of(settings))
        )
        duplicates = (
            read.identities
            | "ByBucket" >> beam.GroupByKey()
            | "FindDuplicates" >> self._step(_FindDuplicates)
        )
        copied = (
            {"task": tasks, "duplicates": duplicates}
            | "ByTask" >> beam.CoGroupByKey()
            | "Scatter" >> self._step(_Scatter, plan).with_outputs("ledgers", main="segments")
        )
        files = (
            copied.segments
            | "ByGroup" >> beam.GroupByKey()
            | "WriteFiles" >> self._step(_WriteGroup, plan)
        )
        return (
            (copied.ledgers, files, nothing)
            | beam.Flatten()
            | "Together" >> _together()
            | "Commit" >> self._step(_Commit)
        )

    def _step(self, kind: Callable[..., beam.DoFn], *inputs: Any) -> beam.ParDo:
        return beam.ParDo(kind(self._settings, self._local_run), *inputs)


def _together() -> beam.PTransform:
    return beam.Map(lambda value: (None, value)) | beam.GroupByKey()


class _PlanSettings(NamedTuple):
    """The settings of a plan. Those of the compaction can be long: they list all files."""

    by_day: bool
    target_file_bytes: int
    compressed_bytes: int | None
    seed: int

    @staticmethod
    def of(settings: CompactSettings) -> _PlanSettings:
        """Returns the settings of the plan of a compaction."""
        commit = settings.commit
        return _PlanSettings(
            settings.replacement.partition_by == "day",
            commit.target_file_bytes,
            settings.bytes if commit.codec == "deflate" else None,
            settings.seed,
        )


def _plan(grouped: tuple[None, Iterable[bytes]], settings: _PlanSettings) -> Plan:
    sizes = merged_sizes(grouped[1])
    # The records of the new files are compressed as well as those of the old ones.
    compressed = settings.compressed_bytes
    ratio = 1 if compressed is None else longs(sizes.totals).sum() / max(compressed, 1)
    return make_plan(
        sizes,
        by_day=settings.by_day,
        group_bytes=int(settings.target_file_bytes * ratio),
        seed=settings.seed,
    )


def _encoded(segments: Iterable[tuple[int, Segment]]) -> Iterator[tuple[int, bytes]]:
    for number, segment in segments:
        yield number, msgspec.msgpack.encode(segment)


def _segments(elements: Iterable[bytes]) -> list[Segment]:
    return [msgspec.msgpack.decode(each, type=Segment) for each in elements]
