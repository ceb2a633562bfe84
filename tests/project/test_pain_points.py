"""Shows surprising behaviour of Beam and related libraries: see docs/pain-points.md.

If a test fails after an upgrade, its workaround may be removed.
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import apache_beam as beam
import fastavro
import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.avroio import WriteToAvro
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import typing_to_runner_api
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.runners.job_server import SupervisedPrismRunner
from tests.components import component_path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pain-points.md").read_text("utf-8")

SCHEMA = fastavro.parse_schema(
    {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}
)
TEXT = fastavro.parse_schema(
    {"type": "record", "name": "T", "fields": [{"name": "t", "type": "string"}]}
)


def collect(path: Path, make: Callable[[beam.Pipeline], beam.PCollection]) -> list[str]:
    """Runs a pipeline and returns its elements as text."""
    with beam.Pipeline("FnApiRunner") as pipeline:
        make(pipeline) | "Keep" >> beam.Map(_keep, str(path))
    return path.read_text().splitlines() if path.exists() else []


def _keep(element: Any, path: str) -> None:
    with open(path, "a") as file:
        file.write(f"{element!r}\n")


def test_a_truncated_gzip_file_is_read_without_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"id":%d,"x":"%d"}\n' % (n, n * 7919) for n in range(20_000)))
    truncated = tmp_path / "truncated.jsonl.gz"
    truncated.write_bytes(whole[: len(whole) // 2])
    read = collect(tmp_path / "read", lambda p: p | beam.io.ReadFromText(str(truncated)))
    assert 0 < len(read) < 20_000
    with pytest.raises(EOFError), gzip.open(truncated) as file:
        file.read()


def test_a_byte_order_mark_stays_in_the_first_record(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbf{}\n")
    read = collect(tmp_path / "read", lambda p: p | beam.io.ReadFromText(str(path)))
    assert read == [repr("\ufeff{}")]


def test_one_byte_that_is_not_utf8_fails_the_run(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"{}\n\xff\n{}\n")
    with pytest.raises(Exception, match=r"UnicodeDecodeError|invalid start byte"):
        collect(tmp_path / "read", lambda p: p | beam.io.ReadFromText(str(path)))


def test_a_step_after_a_group_never_runs_for_an_empty_input(tmp_path: Path) -> None:
    def make(pipeline: beam.Pipeline) -> beam.PCollection:
        empty = pipeline | beam.Create([])
        return empty | beam.Map(lambda x: (None, x)) | beam.GroupByKey()

    assert collect(tmp_path / "read", make) == []


class _Fail(beam.DoFn):
    def process(self, _: object) -> Iterator[None]:
        raise FileNotFoundError(2, "missing", "a.txt")
        yield


def test_an_error_of_a_worker_loses_its_errno() -> None:
    with (
        pytest.raises(Exception, match="missing") as caught,
        beam.Pipeline("FnApiRunner") as pipeline,
    ):
        pipeline | beam.Create([1]) | beam.ParDo(_Fail())
    assert getattr(caught.value, "errno", None) is None


@pytest.mark.parametrize(("given", "written"), [(7.9, 7), (True, 1)])
def test_the_sink_of_beam_writes_another_number_without_an_error(
    given: Any, written: int, tmp_path: Path
) -> None:
    with beam.Pipeline("FnApiRunner") as pipeline:
        rows = pipeline | beam.Create([{"n": given, "more": "dropped"}])
        rows | WriteToAvro(str(tmp_path / "out"), SCHEMA, use_fastavro=True)
    (path,) = tmp_path.iterdir()
    with open(path, "rb") as file:
        assert list(fastavro.reader(file)) == [{"n": written}]


def test_a_run_with_another_number_of_shards_keeps_the_old_files(tmp_path: Path) -> None:
    for shards in (2, 3):
        with beam.Pipeline("FnApiRunner") as pipeline:
            rows = pipeline | beam.Create([{"n": n} for n in range(10)])
            rows | WriteToAvro(str(tmp_path / "out"), SCHEMA, num_shards=shards)
    total = 0
    for path in tmp_path.iterdir():
        with open(path, "rb") as file:
            total += sum(1 for _ in fastavro.reader(file))
    assert total == 20


def test_a_lone_surrogate_passes_validation_but_cannot_be_written() -> None:
    record = {"t": "\ud800"}
    assert fastavro.validate(record, TEXT)
    with pytest.raises(UnicodeEncodeError):
        fastavro.writer(io.BytesIO(), TEXT, [record])


def test_a_timestamp_after_the_year_9999_makes_the_rest_of_a_file_unreadable() -> None:
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    schema = fastavro.parse_schema(
        {"type": "record", "name": "M", "fields": [{"name": "m", "type": moment}]}
    )
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"m": 0}, {"m": 253402300800000000}, {"m": 1}])
    file.seek(0)
    with pytest.raises(OverflowError):
        list(fastavro.reader(file))


def test_a_file_truncated_between_two_blocks_is_read_as_a_shorter_one() -> None:
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, [{"n": n} for n in range(100)], sync_interval=10)
    data, sync = file.getvalue(), file.getvalue()[-16:]
    ends = [found.end() for found in re.finditer(re.escape(sync), data)]
    truncated = io.BytesIO(data[: ends[len(ends) // 2]])
    assert 0 < len(list(fastavro.reader(truncated))) < 100


def test_a_rename_overwrites_an_existing_file_without_an_error(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    FileSystems.rename([str(tmp_path / "new")], [str(tmp_path / "old")])
    assert (tmp_path / "old").read_text() == "new"


def test_a_slice_of_a_batch_is_pickled_with_the_whole_batch() -> None:
    batch = pa.record_batch({"t": ["x" * 100] * 10_000})
    assert len(pickle.dumps(batch.slice(0, 10))) > 100_000


class _Late(beam.DoFn):
    """Outputs a row in process, and another one in finish_bundle."""

    def process(self, number: int) -> Iterator[beam.Row]:
        yield beam.Row(number=number)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        yield WindowedValue(beam.Row(number=2), window.start, (window,))


def test_a_row_of_finish_bundle_is_lost_before_a_step_that_gets_batches(tmp_path: Path) -> None:
    kind: Any = RowTypeConstraint.from_fields([("number", int)])
    with beam.Pipeline("FnApiRunner") as pipeline:
        rows = pipeline | beam.Create([1]) | beam.ParDo(_Late()).with_output_types(kind)
        rows | beam.io.WriteToParquet(str(tmp_path / "out"))
    (path,) = tmp_path.iterdir()
    assert pq.read_table(path).to_pylist() == [{"number": 1}]


def test_a_union_with_none_has_no_schema() -> None:
    unions: list[Any] = [Optional[int], int | None]  # noqa: UP045
    kinds = map(typing_to_runner_api, unions)
    assert [kind.WhichOneof("type_info") for kind in kinds] == ["atomic_type", "logical_type"]


class _StockRunner(SupervisedPrismRunner):
    """Starts Prism like this project, and waits for its jobs like Beam."""

    create_job_service_handle = PrismRunner.create_job_service_handle


@pytest.mark.needs("prism")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_on_prism_fails_after_the_timeout_of_requests() -> None:
    location = f"--prism_location={component_path('prism')}"
    options = PipelineOptions([location, "--job_server_timeout=2", "--environment_type=LOOPBACK"])
    runner = _StockRunner(options)
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
        _ = pipeline | beam.Create([6]) | beam.Map(time.sleep)
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            pipeline.run().wait_until_finish()
    finally:
        runner.stop()


def test_the_page_names_exactly_these_tests() -> None:
    tests = {name for name in globals() if name.startswith("test_") and "the_page" not in name}
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named == tests
