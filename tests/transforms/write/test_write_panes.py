"""Each pane of each shard is one commit, for every kind of window."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing import test_stream
from apache_beam.transforms import trigger
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindow,
    IntervalWindow,
    TimestampedValue,
)
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming

from schemas.errors import OutputError
from schemas.manifest import Manifest
from tests.conftest import records_of
from tests.transforms.runs import message_block, settings
from transforms.blocks.block import AvroBlock, EncodedBlock
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import PendingAcks
from transforms.local.local_run import REMOTE_RUN, LocalRun, StoppedError
from transforms.local.retry import Retry
from transforms.storage.manifests import pending_path, read_manifests
from transforms.write import packages
from transforms.write.commit import commit
from transforms.write.commit_log import add_commits
from transforms.write.metrics import EventMetrics
from transforms.write.packages import packed_blocks
from transforms.write.settings import CommitSettings, PaneSettings
from transforms.write.write_panes import WriteAvroPanes, _CommitPane, commit_pane, pane_id

pytestmark = pytest.mark.usefixtures("no_sync")

MINUTE = PaneSettings(window_seconds=60, retry=Retry(0))


@pytest.fixture
def run(tmp_path: Path) -> CommitSettings:
    """Settings of a stream into an empty output."""
    return settings(str(tmp_path / "out"), "a1b2", write_mode="append", from_messages=True)


def events_of(output: str) -> Counter[str]:
    """Returns the job ids in an output."""
    return Counter(record["job_id"] for record in records_of(output))


def _note(path: str, pending_acks: PendingAcks) -> None:
    # At this point everything must be committed.
    files = len(list(Path(path).parent.glob("out/_manifest/*.json")))
    with open(path, "a") as file:
        file.write(f"{files} {' '.join(pending_acks.ack_ids)}\n")
    if pending_acks.intent:
        # As Acknowledge does.
        Path(pending_acks.intent).unlink(missing_ok=True)


class Streamed:
    """The result of a stream: its commits, its records and the ids to acknowledge.

    Args:
        run: The settings of the run.
        panes: When to commit.
        script: The stream; its elements are numbers.
        parts: Makes the encoded blocks for a number.
    """

    def __init__(
        self,
        run: CommitSettings,
        panes: PaneSettings,
        script: test_stream.TestStream,
        parts: Callable[[int], list[EncodedBlock]] = lambda number: [message_block(number)],
    ) -> None:
        note = str(Path(run.output).parent / "acknowledged")
        options = PipelineOptions(["--runner=BundleBasedDirectRunner", "--allow_unsafe_triggers"])
        options.view_as(StandardOptions).streaming = True
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | script
                | beam.FlatMap(parts)
                | WriteAvroPanes(run, panes)
                | beam.Map(partial(_note, note))
            )
        lines = Path(note).read_text().splitlines() if Path(note).exists() else []
        assert all(int(line.split()[0]) for line in lines), "acknowledged before a commit"
        self.acknowledged = Counter(ack_id for line in lines for ack_id in line.split()[1:])
        self.manifests = [manifest for _, manifest in read_manifests(run.output)]
        self.events = events_of(run.output)

    def panes(self) -> list[tuple[str, ...]]:
        """Returns the window's start, the pane and the shard of each commit."""
        return sorted(tuple(each.run_id.split("-")[:3]) for each in self.manifests)


def at(seconds: float, *numbers: int) -> list[TimestampedValue]:
    """Returns elements with a time in seconds after the start of 2026."""
    return [TimestampedValue(number, 1767225600 + seconds) for number in numbers]


def watermark(seconds: float) -> int:
    """Returns a watermark in seconds after the start of 2026."""
    return 1767225600 + int(seconds)


def stream() -> test_stream.TestStream:
    """Returns a stream without elements."""
    return test_stream.TestStream().advance_watermark_to(watermark(0))


def ids(*numbers: int) -> Counter[str]:
    """Returns the job ids of blocks of one event."""
    return Counter(str(number * 1000) for number in numbers)


def test_a_window_is_committed_when_the_watermark_passes_its_end(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1, 2)).advance_watermark_to(watermark(61))
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    assert done.panes() == [("20260101T000001Z", "0", "0")]
    assert done.events == ids(1, 2)
    assert done.acknowledged == Counter(["1-0", "2-0"])


def test_each_window_is_a_commit(run: CommitSettings) -> None:
    script = stream().add_elements([*at(1, 1), *at(61, 2), *at(200, 3)])
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    starts = [start for start, _, _ in done.panes()]
    assert starts == ["20260101T000001Z", "20260101T000101Z", "20260101T000320Z"]
    assert done.events == ids(1, 2, 3)


def test_late_blocks_are_committed_beside_those_on_time(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1)).advance_watermark_to(watermark(120))
    script = script.add_elements(at(1, 2)).add_elements(at(1, 3))
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    assert {start for start, _, _ in done.panes()} == {"20260101T000001Z"}
    assert [pane for _, pane, _ in done.panes()] == ["0", "1", "2"]
    assert done.events == ids(1, 2, 3)
    assert done.acknowledged == Counter(["1-0", "2-0", "3-0"])


def test_late_blocks_alone_are_committed(run: CommitSettings) -> None:
    script = stream().advance_watermark_to(watermark(120)).add_elements(at(2, 7))
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    assert done.events == ids(7)


def test_a_backlog_of_hours_is_not_dropped(run: CommitSettings) -> None:
    script = stream().advance_watermark_to(watermark(9 * 3600))
    script = script.add_elements(at(0, *range(20)))
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    assert done.events == ids(*range(20))


def test_an_empty_pane_after_an_early_one_commits_nothing(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = trigger.AfterWatermark(early=trigger.AfterCount(1), late=trigger.AfterCount(1))
    early = beam.WindowInto(
        FixedWindows(60), trigger=when, accumulation_mode=trigger.AccumulationMode.DISCARDING
    )
    monkeypatch.setattr("transforms.write.write_panes._window", lambda _: early)
    script = stream().add_elements(at(1, 1)).advance_watermark_to(watermark(61))
    done = Streamed(run, MINUTE, script.advance_watermark_to_infinity())
    assert len(done.manifests) == 1
    assert done.events == ids(1)


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_each_shard_is_a_commit(run: CommitSettings, shards: int) -> None:
    script = stream().add_elements(at(1, *range(20)))
    panes = PaneSettings(60, shards, retry=Retry(0))
    done = Streamed(run, panes, script.advance_watermark_to_infinity())
    assert {shard for _, _, shard in done.panes()} == {str(shard) for shard in range(shards)}
    assert done.events == ids(*range(20))
    assert sum(done.acknowledged.values()) == 20


def test_by_processing_time_panes_fire_in_turn_without_a_window(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1)).advance_processing_time(61)
    script = script.add_elements(at(-9 * 3600, 2)).advance_processing_time(61)
    panes = replace(MINUTE, by_processing_time=True)
    done = Streamed(run, panes, script.advance_watermark_to_infinity())
    assert done.panes() == [("stream", "0", "0"), ("stream", "1", "0")]
    assert done.events == ids(1, 2)


def test_messages_without_an_event_are_acknowledged_and_leave_no_file(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()
    done = Streamed(run, MINUTE, script, lambda number: [message_block(number, ignored=1)])
    assert done.acknowledged == Counter(["1-0", "2-0"])
    assert [(each.ignored, each.files) for each in done.manifests] == [(2, [])]


def test_dead_letters_alone_are_committed_and_acknowledged(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1)).advance_watermark_to_infinity()
    done = Streamed(run, MINUTE, script, lambda number: [message_block(number, events=0, bad=3)])
    assert [each.dead_lettered for each in done.manifests] == [3]
    assert len(records_of(run.output, "dead_letter")) == 3
    assert sum(done.acknowledged.values()) == 3


def without_receipt(number: int) -> EncodedBlock:
    """Returns a part of a block that is not its last part: it has no acknowledgement."""
    ledger = Ledger.from_bytes(message_block(number).ledger.to_bytes())
    ledger.pending_acks.clear()
    return replace(message_block(number), ledger=ledger)


def test_the_parts_of_a_block_stay_together(run: CommitSettings) -> None:
    def parts(number: int) -> list[EncodedBlock]:
        return [without_receipt(number + 1), without_receipt(number + 2), message_block(number)]

    script = stream().add_elements(at(1, 1)).advance_watermark_to_infinity()
    done = Streamed(run, PaneSettings(60, 7, retry=Retry(0)), script, parts)
    assert len(done.manifests) == 1
    assert done.events == ids(1, 2, 3)


def test_a_block_without_its_last_part_is_refused(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1)).advance_watermark_to_infinity()
    with pytest.raises(Exception, match="split a block of messages"):
        Streamed(run, MINUTE, script, lambda number: [without_receipt(number)])
    assert not events_of(run.output)


def test_a_restored_job_acknowledges_committed_blocks_and_does_not_write_them_again(
    run: CommitSettings,
) -> None:
    first = stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()
    Streamed(run, MINUTE, first)
    # The older checkpoint holds one of these blocks; another one is pulled after the restore.
    second = stream().add_elements(at(1, 1, 3)).advance_watermark_to_infinity()
    done = Streamed(replace(run, run_id="c3d4"), MINUTE, second)
    assert done.events == ids(1, 2, 3)
    assert done.acknowledged == Counter({"1-0": 2, "2-0": 1, "3-0": 1})
    assert sum(each.read for each in done.manifests) == 3


def test_a_restored_job_commits_nothing_if_all_of_a_pane_is_committed(run: CommitSettings) -> None:
    def script() -> test_stream.TestStream:
        return stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()

    Streamed(run, MINUTE, script())
    done = Streamed(replace(run, run_id="c3d4"), MINUTE, script())
    assert done.events == ids(1, 2)
    assert len(done.manifests) == 1


def test_a_pane_lists_the_manifests_twice_and_the_committed_files_never(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Counter[str]()
    scan = os.scandir

    def count(directory: Any) -> Any:
        listed[str(directory)] += 1
        return scan(directory)

    element = packed_blocks(run, [message_block(1)])
    step = _CommitPane(run, MINUTE, REMOTE_RUN)
    step.setup()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", count)
        step._commit(IntervalWindow(0, 1), PaneInfo(True, True, 0, 0, 0), 0, [element])
    assert events_of(run.output) == ids(1)
    assert listed[f"{run.output}/_manifest"] == 2
    assert listed[f"{run.output}/job_status"] == 0


def interrupt_commit(
    run: CommitSettings, step: str, numbers: tuple[int, ...], patch: pytest.MonkeyPatch
) -> None:
    """Runs a stream of blocks whose commit fails at a step after its intent was written."""

    def fail(*_: object) -> None:
        raise OutputError("interrupted")

    with patch.context() as patched:
        patched.setattr(f"transforms.write.commit.{step}", fail)
        with pytest.raises(Exception, match="interrupted"):
            Streamed(run, MINUTE, one_window(*numbers))


def one_window(*numbers: int) -> test_stream.TestStream:
    """Returns a stream of blocks in one window."""
    return stream().add_elements(at(1, *numbers)).advance_watermark_to_infinity()


def intents(run: CommitSettings) -> list[Path]:
    """Returns the intents in an output."""
    return list(Path(run.output, "_manifest").glob("*.pending.json"))


@pytest.mark.parametrize("step", ["_write_manifest", "remove_staging"])
def test_a_restored_pane_repeats_no_block_of_an_interrupted_commit(
    run: CommitSettings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_commit(run, step, (1, 2), monkeypatch)
    assert len(intents(run)) == 1
    done = Streamed(replace(run, run_id="c3d4"), MINUTE, one_window(1, 3))
    assert done.events == ids(1, 2, 3)
    assert sum(each.read for each in done.manifests) == 3
    assert intents(run) == []


def test_a_pane_leaves_an_interrupted_commit_of_other_blocks_to_its_own_retry(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_commit(run, "_write_manifest", (1,), monkeypatch)
    done = Streamed(run, MINUTE, one_window(2))
    assert len(done.manifests) == len(intents(run)) == 1


WINDOW = IntervalWindow(1767225600, 1767225660)
PANE = PaneInfo(True, True, PaneInfoTiming.ON_TIME, 0, 0)


def test_the_id_of_a_pane_depends_on_its_content_but_not_on_the_order() -> None:
    name = pane_id(WINDOW, PANE, 3, "a1b2", [b"x", b"y"])
    assert re.fullmatch(r"20260101T000000Z-0-3-a1b2-[0-9a-f]{12}", name)
    assert pane_id(WINDOW, PANE, 3, "a1b2", [b"y", b"x"]) == name
    others = [
        pane_id(WINDOW, PANE, 3, "a1b2", [b"x"]),
        pane_id(WINDOW, PANE, 3, "a1b2", [b"xy"]),
        pane_id(WINDOW, PANE, 3, "other", [b"x", b"y"]),
        pane_id(WINDOW, PANE, 4, "a1b2", [b"x", b"y"]),
        pane_id(GlobalWindow(), PANE, 3, "a1b2", [b"x", b"y"]),
    ]
    assert len({name, *others}) == 6


def _elements(run: CommitSettings, *numbers: int) -> list[bytes]:
    return [packed_blocks(run, [message_block(number, events=3)]) for number in numbers]


def test_a_retry_of_a_pane_changes_nothing(run: CommitSettings) -> None:
    for _ in range(3):
        commit_pane(run, run.run_id, _elements(run, 1, 2), EventMetrics())
    assert len(read_manifests(run.output)) == 1
    assert sum(events_of(run.output).values()) == 6
    assert not Path(run.output, "_staging").exists()


@pytest.mark.parametrize("step", ["rename", "write"])
def test_a_pane_that_fails_halfway_is_complete_after_a_retry(
    run: CommitSettings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(f"transforms.write.commit.filesystem.{step}", fail)
        with pytest.raises(OutputError):
            commit_pane(run, run.run_id, _elements(run, 1, 2), EventMetrics())
    is_pending = Path(pending_path(run.output, run.run_id)).exists()
    assert is_pending == Path(run.output, "_staging").exists()
    commit_pane(run, run.run_id, _elements(run, 1, 2), EventMetrics())
    assert sum(events_of(run.output).values()) == 6
    assert not Path(run.output, "_staging").exists()


def test_a_large_pane_has_several_files(run: CommitSettings) -> None:
    small = replace(run, target_file_bytes=1)
    commit_pane(small, small.run_id, _elements(run, *range(4)), EventMetrics())
    (manifest,) = [each for _, each in read_manifests(run.output)]
    assert len(manifest.files) == 4
    assert sum(events_of(run.output).values()) == 12


def test_a_pane_of_a_stopped_run_leaves_nothing(run: CommitSettings, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    stop.touch()
    with pytest.raises(StoppedError):
        commit_pane(
            run, run.run_id, _elements(run, 1), EventMetrics(), LocalRun(str(stop), os.getpid())
        )
    assert not read_manifests(run.output)
    assert not Path(run.output, "_staging").exists()


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every block large, so that only its name crosses the engine."""
    monkeypatch.setattr(packages, "_LARGE_BYTES", 0)


def test_only_the_name_of_a_large_block_crosses_the_engine(run: CommitSettings) -> None:
    block = replace(message_block(1), dead_letters=AvroBlock(1, b"x" * 1_000_000))
    element = packed_blocks(run, [block])
    assert len(element) < 1000
    (path,) = Path(run.output, "_staging", run.run_id).iterdir()
    assert path.stat().st_size > 1_000_000
    # A retry of the bundle writes the same file.
    assert packed_blocks(run, [block]) == element


@pytest.mark.usefixtures("all_large")
def test_large_blocks_are_committed_and_their_files_removed(run: CommitSettings) -> None:
    script = stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()
    done = Streamed(run, MINUTE, script)
    assert done.events == ids(1, 2)
    assert done.acknowledged == Counter(["1-0", "2-0"])
    assert not [path for path in Path(run.output, "_staging").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("all_large")
def test_a_block_whose_file_is_gone_is_not_acknowledged(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_first(settings: CommitSettings, blocks: list[EncodedBlock]) -> bytes:
        element = packed_blocks(settings, blocks)
        if blocks == [message_block(1)]:
            packages.delete_files(settings, [packages.package_of(element)])
        return element

    monkeypatch.setattr("transforms.write.write_panes.packed_blocks", lose_the_first)
    script = stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()
    done = Streamed(run, MINUTE, script)
    assert done.events == ids(2)
    assert done.acknowledged == Counter(["2-0"])


def test_a_fault_of_the_storage_is_retried_in_place(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [OutputError("no space left")] * 2

    def commit_or_fail(*arguments: Any) -> str:
        if faults:
            raise faults.pop()
        return commit(*arguments)

    monkeypatch.setattr("transforms.write.write_panes.commit", commit_or_fail)
    script = stream().add_elements(at(1, 1, 2)).advance_watermark_to_infinity()
    done = Streamed(run, PaneSettings(retry=Retry(60)), script)
    assert done.events == ids(1, 2)
    assert len(done.manifests) == 1


def test_the_commit_log_has_each_commit_once(run: CommitSettings, tmp_path: Path) -> None:
    log = str(tmp_path / "commits")
    panes = replace(MINUTE, commit_log=log)
    script = stream().add_elements([*at(1, 1), *at(61, 2)]).advance_watermark_to_infinity()
    Streamed(run, panes, script)
    first = Path(log).read_bytes()
    Path(log).write_bytes(first + first)
    report = Manifest(run_id="report")
    add_commits(report, log)
    assert report.read == 2
    assert len(report.files) == 2
