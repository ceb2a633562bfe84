"""The command on servers of S3 and GCS: reads, writes, each write mode, recovery after kills."""

from __future__ import annotations

import gc
import gzip
import io
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import fastavro
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from tests.kills.command import TWO_PROCESSES
from tests.pipeline.command import Said, job_status, run, write_events
from tests.storage_servers.conftest import Bucket
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import lines, run_once, settings, stage
from tests.transforms.write.owners import ELSEWHERE, ended_process
from transforms.local import machine_id
from transforms.storage import filesystem
from transforms.write import owner
from transforms.write.commit import commit
from transforms.write.recovery import recover
from transforms.write.settings import CommitSettings


@pytest.fixture
def bucket_in_beam(bucket: Bucket) -> Bucket:
    """The bucket, after its server was set in the options of Beam's filesystems."""
    FileSystems.set_options(PipelineOptions(bucket.options))
    return bucket


def _events(tmp_path: Path, first: int, count: int, bad: int = 0) -> bytes:
    return write_events(tmp_path / "events.jsonl", first, count, bad).read_bytes()


def _content(bucket: Bucket, output: str = "out") -> Counter[str]:
    """Counts the job ids, and the payloads of dead letters."""
    found: Counter[str] = Counter()
    for key, data in bucket.objects(f"{output}/").items():
        if key.endswith(".avro"):
            for record in fastavro.reader(io.BytesIO(data)):
                assert isinstance(record, dict)
                found[record.get("job_id") or record["payload"].decode()] += 1
    return found


def _run(bucket: Bucket, *arguments: str) -> Said:
    return run(
        *("--input", f"{bucket.url}/in/*", "--output", f"{bucket.url}/out"),
        *arguments,
        *bucket.options,
    )


def _nothing_in_staging(bucket: Bucket) -> bool:
    return not any(
        "_staging" in key or key.endswith((".pending.json", ".part")) for key in bucket.objects()
    )


@pytest.mark.parametrize("more", [(), TWO_PROCESSES], ids=["one", "two_processes"])
def test_a_run_from_a_bucket_into_a_bucket(
    bucket: Bucket, tmp_path: Path, more: tuple[str, ...]
) -> None:
    bucket.put("in/a.jsonl", _events(tmp_path, 0, 50, bad=2))
    bucket.put("in/b.jsonl.gz", gzip.compress(_events(tmp_path, 50, 50)))
    said = _run(bucket, *more, "--report", f"{bucket.url}/report.json")
    assert said.code == 0, said.err
    expected = Counter([*map(str, range(100)), "bad 0", "bad 1"])
    assert _content(bucket) == expected
    assert _nothing_in_staging(bucket)
    report = json.loads(bucket.objects("report.json")["report.json"])
    assert (report["read"], report["written"], report["dead_lettered"]) == (102, 100, 2)
    assert {each["path"] for each in report["inputs"]} == {
        f"{bucket.url}/in/a.jsonl",
        f"{bucket.url}/in/b.jsonl.gz",
    }
    said = job_status("inspect", f"{bucket.url}/out", *bucket.options)
    assert said.code == 0, said.err


def test_each_write_mode_treats_a_second_run_as_on_local_disk(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put("in/a.jsonl", _events(tmp_path, 0, 5))
    assert _run(bucket, "--run_id", "first").code == 0
    before = bucket.objects()
    assert _run(bucket, "--run_id", "first").code == 0
    assert _run(bucket).code == 5
    assert bucket.objects() == before
    bucket.put("in/a.jsonl", _events(tmp_path, 5, 5))
    assert _run(bucket, "--write_mode", "append").code == 0
    assert _content(bucket) == Counter(map(str, range(10)))
    assert _run(bucket, "--write_mode", "overwrite").code == 0
    assert _content(bucket) == Counter(map(str, range(5, 10)))
    assert _nothing_in_staging(bucket)


def test_dead_letters_go_to_another_filesystem(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("in/a.jsonl", _events(tmp_path, 0, 5, bad=1))
    said = _run(bucket, "--dead_letter_output", str(tmp_path / "letters"))
    assert said.code == 0, said.err
    assert len([*(tmp_path / "letters").glob("*.avro")]) == 1
    assert _content(bucket) == Counter(map(str, range(5)))


def test_after_a_kill_between_any_two_steps_the_next_run_gives_the_same_records(
    bucket_in_beam: Bucket,
) -> None:
    bucket = bucket_in_beam
    payloads = lines(0, 6, bad=2)
    run_once(settings(f"{bucket.url}/whole", "run"), payloads)
    expected = _content(bucket, "whole")
    assert expected.total() == 8
    steps = 0
    while True:
        output = f"out{steps}"
        first = settings(f"{bucket.url}/{output}", "run")
        try:
            with failing(steps):
                commit(first, stage(first, payloads))
            break
        except Killed:
            pass
        # Complete the uploads of lost file objects now; a killed process would complete none.
        gc.collect()
        run_once(first, payloads)
        assert _content(bucket, output) == expected, steps
        assert _nothing_in_staging(bucket), steps
        steps += 4
    assert steps > 12


def _staged_by(bucket: Bucket, run_id: str, owner_name: str | None) -> CommitSettings:
    """Stages files of a run, with an owner file of this name."""
    run = settings(f"{bucket.url}/out", run_id)
    stage(run, lines(0, 4))
    if owner_name is not None:
        bucket.put(f"out/_staging/{run_id}/{owner_name}", b"process")
    return run


def _staged_runs(bucket: Bucket) -> set[str]:
    return {key.split("/")[2] for key in bucket.objects("out/_staging/")}


def test_staging_is_kept_while_its_owner_is_alive_by_the_clock_of_the_store(
    bucket_in_beam: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = bucket_in_beam
    monkeypatch.setattr(owner, "_SILENT_SECONDS", 5)
    _staged_by(bucket, "unowned", None)
    _staged_by(bucket, "dead", f"owner-{machine_id()}-{ended_process()}-1")
    far = _staged_by(bucket, "far", f"owner-{ELSEWHERE}-1-1")
    _staged_by(bucket, "silent", f"owner-{ELSEWHERE}-1-1")
    real = time.time
    with monkeypatch.context() as patch:
        # The clock of the observer is wrong.
        patch.setattr(time, "time", lambda: real() + 60)
        recover(replace(far, run_id="next"))
    assert _staged_runs(bucket) == {"unowned", "far", "silent"}
    time.sleep(7)
    filesystem.touch(f"{bucket.url}/out/_staging/far/owner-{ELSEWHERE}-1-1", b"process")
    recover(replace(far, run_id="next", write_mode="overwrite"))
    assert _staged_runs(bucket) == {"unowned", "far"}


def test_the_operations_of_the_filesystem_work(bucket_in_beam: Bucket) -> None:
    url = f"{bucket_in_beam.url}/place"
    assert filesystem.list_files(url) == [] and filesystem.list_directories(url) == []
    filesystem.write(f"{url}/a/one", b"1")
    filesystem.write(f"{url}/a/b/two", b"22")
    filesystem.write(f"{url}/ab", b"333")
    assert filesystem.list_files(f"{url}/a") == [(f"{url}/a/one", 1)]
    assert filesystem.list_directories(url) == ["a"]
    assert filesystem.list_directories(f"{url}/a") == ["b"]
    filesystem.rename([(f"{url}/a/one", f"{url}/c/one"), (f"{url}/ab", f"{url}/c/ab")])
    assert [path for path, _ in filesystem.list_files(f"{url}/c")] == [
        f"{url}/c/ab",
        f"{url}/c/one",
    ]
    assert filesystem.list_files(f"{url}/c", "a") == [(f"{url}/c/ab", 3)]
    assert not filesystem.exists(f"{url}/ab") and filesystem.size(f"{url}/c/ab") == 3
    assert [file.path for file in filesystem.files_below(url)] == [
        *(f"{url}/a/b/two", f"{url}/c/ab", f"{url}/c/one")
    ]
    assert all(file.modified_ns for file in filesystem.files_below(f"{url}/c"))
    assert filesystem.files_below(f"{url}/none") == []
    filesystem.delete([f"{url}/a/"])
    assert not filesystem.exists(f"{url}/a/b/two")
    filesystem.delete([f"{url}/c/ab", f"{url}/c/gone"])
    assert [path for path, _ in filesystem.list_files(f"{url}/c")] == [f"{url}/c/one"]


def test_a_missing_bucket_is_an_error_that_names_it(bucket: Bucket, tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    missing = f"{bucket.scheme}://no-such-bucket"
    said = run("--input", path, "--output", f"{missing}/out", *bucket.options)
    assert said.code == 5
    assert f"{missing}/out" in said.err
    said = run("--input", f"{missing}/*", "--output", tmp_path / "out", *bucket.options)
    assert said.code == 3
    assert missing in said.err


def test_skip_read_reads_only_new_objects(bucket: Bucket, tmp_path: Path) -> None:
    mode = ("--write_mode", "append", "--skip_read")
    bucket.put("in/a.jsonl", _events(tmp_path, 0, 5))
    assert _run(bucket, *mode).code == 0
    assert "nothing was changed" in _run(bucket, *mode).err
    bucket.put("in/b.jsonl", _events(tmp_path, 5, 5))
    assert _run(bucket, *mode).code == 0
    assert _content(bucket) == Counter(map(str, range(10)))
