"""Work that a runner does twice, partly or concurrently gives one result."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from schemas.errors import OutputError
from tests.conftest import records_of
from tests.transforms.runs import SOURCE, encoded, lines, message_block, settings
from transforms.blocks.block import EncodedBlock
from transforms.blocks.ledger import InputLedger, Ledger
from transforms.storage.manifests import pending_path, read_manifests
from transforms.write.commit import commit
from transforms.write.metrics import EventMetrics
from transforms.write.packages import packed_blocks
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager
from transforms.write.write_avro import WriteAvro
from transforms.write.write_panes import commit_pane

pytestmark = pytest.mark.usefixtures("no_sync")

PAYLOADS = tuple(lines(0, 30, bad=5))
SIZE = sum(len(payload) + 1 for payload in PAYLOADS)
INPUTS = Ledger(inputs={SOURCE: InputLedger(SIZE, SIZE)})


@pytest.fixture
def run(tmp_path: Path) -> CommitSettings:
    """Settings of a run into an empty output."""
    return settings(str(tmp_path / "out"), "run")


def bundle(run: CommitSettings, blocks: list[EncodedBlock]) -> bytes:
    """Runs a bundle of the sink and returns its ledger."""
    stager = Stager(run)
    for block in blocks:
        stager.add(block)
    return stager.finish().to_bytes()


def assert_once(run: CommitSettings) -> None:
    """Asserts that the output has each event once and no other file."""
    assert Counter(record["job_id"] for record in records_of(run.output)) == Counter(
        str(number) for number in range(30)
    )
    assert len(records_of(run.output, "dead_letter")) == 5
    assert len(read_manifests(run.output)) == 1
    listed = {file.path for _, manifest in read_manifests(run.output) for file in manifest.files}
    there = {str(path.relative_to(run.output)) for path in Path(run.output).rglob("*.avro")}
    assert there == listed
    assert not Path(run.output, "_staging").exists()


def test_a_bundle_that_failed_leaves_no_files(run: CommitSettings) -> None:
    stager = Stager(run)
    for block in encoded(PAYLOADS)[:10]:
        stager.add(block)
    # The bundle fails here, with its files open.
    good = bundle(run, encoded(PAYLOADS))
    commit(run, Ledger.merged([INPUTS.to_bytes(), good]))
    assert_once(run)


def test_a_bundle_that_ran_several_times_counts_once(run: CommitSettings) -> None:
    blocks = encoded(PAYLOADS)
    first, second = blocks[:15], blocks[15:]
    attempts = [bundle(run, first) for _ in range(3)]
    seconds = [bundle(run, second) for _ in range(2)]
    commit(run, Ledger.merged([INPUTS.to_bytes(), attempts[1], seconds[0]]))
    assert_once(run)


def test_a_bundle_that_is_counted_twice_fails_the_commit(run: CommitSettings) -> None:
    attempts = [bundle(run, encoded(PAYLOADS)) for _ in range(2)]
    with pytest.raises(Exception, match="the ledger does not balance"):
        commit(run, Ledger.merged([INPUTS.to_bytes(), *attempts]))
    assert not records_of(run.output)


def _at_the_same_time(work: Callable[[], object], times: int = 4) -> list[BaseException]:
    failures: list[BaseException] = []
    barrier = threading.Barrier(times)

    def guarded() -> None:
        barrier.wait()
        try:
            work()
        except OutputError as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.parametrize("attempt", range(5))
def test_commits_at_the_same_time_give_one_result(run: CommitSettings, attempt: int) -> None:
    made = [INPUTS.to_bytes(), bundle(run, encoded(PAYLOADS))]
    failures = _at_the_same_time(lambda: commit(run, Ledger.merged(made)))
    # A commit that lost the race may raise. The runner tries it again and finds it done.
    assert len(failures) < 4
    commit(run, Ledger.merged(made))
    assert_once(run)


@pytest.mark.parametrize("attempt", range(5))
def test_commits_of_a_pane_at_the_same_time_give_one_result(
    run: CommitSettings, attempt: int
) -> None:
    elements = [packed_blocks(run, [message_block(number, events=3)]) for number in range(4)]
    pane = settings(run.output, "pane", write_mode="append", from_messages=True)
    failures = _at_the_same_time(lambda: commit_pane(pane, pane.run_id, elements, EventMetrics()))
    assert len(failures) < 4
    commit_pane(pane, pane.run_id, elements, EventMetrics())
    assert len(records_of(run.output)) == 12
    assert len(read_manifests(run.output)) == 1
    assert not Path(run.output, "_staging").exists()


def test_a_truncated_intent_does_not_count_as_a_committed_pane(run: CommitSettings) -> None:
    pane = settings(run.output, "pane", write_mode="append", from_messages=True)
    intent = Path(pending_path(pane.output, pane.run_id))
    intent.parent.mkdir(parents=True)
    intent.write_bytes(b'{"renames":[')
    element = packed_blocks(pane, [message_block(1, events=3)])
    commit_pane(pane, pane.run_id, [element], EventMetrics())
    assert len(read_manifests(pane.output)) == 1
    assert len(records_of(pane.output)) == 3


def test_every_attempt_of_a_pane_writes_the_same_files(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    elements = [packed_blocks(run, [message_block(number, events=3, bad=1)]) for number in range(4)]
    made = []
    for attempt, order in enumerate((elements, elements[::-1])):
        pane = settings(
            str(tmp_path / str(attempt)),
            "pane",
            write_mode="append",
            from_messages=True,
            target_file_bytes=5_000,
        )
        commit_pane(pane, pane.run_id, order, EventMetrics())
        ((_, manifest),) = read_manifests(pane.output)
        made.append([(file.path, file.sha256) for file in manifest.files])
    assert len(made[0]) > 2
    assert made[0] == made[1]


class _FailsOnce(beam.DoFn):
    """Fails at one element, the first time that it is processed."""

    def __init__(self, marker: str) -> None:
        self._marker = marker

    def process(self, number: int) -> list[EncodedBlock]:
        if number == 20 and not Path(self._marker).exists():
            Path(self._marker).touch()
            raise OSError("the worker was lost")
        return [encoded(PAYLOADS)[number]]


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_runner_that_repeats_every_bundle_gives_one_result(
    run: CommitSettings, repeats: int
) -> None:
    options = PipelineOptions(["--runner=FnApiRunner", f"--direct_runner_bundle_repeat={repeats}"])
    with beam.Pipeline(options=options) as pipeline:
        blocks = (
            pipeline
            | beam.Create(range(len(PAYLOADS)))
            | beam.Map(lambda number: encoded(PAYLOADS)[number])
        )
        inputs = pipeline | "Inputs" >> beam.Create([INPUTS.to_bytes()])
        blocks | WriteAvro(run, inputs)
    assert_once(run)


def test_a_runner_that_retries_a_failed_bundle_gives_one_result(
    run: CommitSettings, tmp_path: Path
) -> None:
    marker = tmp_path / "failed"
    options = PipelineOptions(["--runner=BundleBasedDirectRunner"])
    with beam.Pipeline(options=options) as pipeline:
        numbers = pipeline | beam.Create(range(len(PAYLOADS)))
        blocks = numbers | beam.ParDo(_FailsOnce(str(marker)))
        inputs = pipeline | "Inputs" >> beam.Create([INPUTS.to_bytes()])
        blocks | WriteAvro(run, inputs)
    assert marker.exists()
    assert_once(run)
