"""The manifest of a run, and the names of its files."""

from __future__ import annotations

import json
from pathlib import Path

import fastavro
import msgspec
import pytest

from schemas.manifest import Manifest
from tests.conftest import ReadRecords
from tests.transforms.runs import lines, settings, stage
from tests.transforms.write.scenes import (
    NEW,
    leftovers,
)
from transforms.blocks.ledger import Ledger
from transforms.storage.manifests import manifest_path
from transforms.write.commit import commit

pytestmark = pytest.mark.usefixtures("no_sync")

REPORT_KEYS = [
    *("run_id", "read", "written", "dead_lettered", "ignored"),
    *("duplicates", "deleted"),
    *("by_record_type", "by_value", "by_source_value_type", "by_derivation", "by_provider"),
    *("accounts_without_provider", "by_day"),
    *(
        "by_error_code",
        "largest_payload",
        "ignored_by_type",
        "without_job_id",
        "unreadable_timestamps",
        "unreadable_by_field",
    ),
    *("assumed_timezone", "conserved", "unmapped", "providers_without_table"),
    *(
        "inputs",
        "skipped_inputs",
        "changed_inputs",
        "files",
        "duration_seconds",
        "events_per_second",
    ),
]


EXTRA_KEYS = [
    *("pipeline_version", "schema_version", "schema_fingerprint", "mapping_fingerprint"),
    *("accounts_fingerprint", "mapping_files", "patterns", "committed_at"),
    *("replaces", "consumed", "oldest_message", "blocks", "compaction", "run_before"),
]


def test_a_manifest_has_the_keys_of_a_report_and_a_few_more(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    manifest = json.loads(Path(commit(run, stage(run, NEW))).read_bytes())
    assert list(manifest) == REPORT_KEYS + EXTRA_KEYS
    assert {key for each in manifest["files"] for key in each} == {
        "path", "records", "bytes", "sha256", "output",
    }  # fmt: skip
    assert {key for each in manifest["inputs"] for key in each} == {
        *("path", "bytes", "damaged", "modified_ns")
    }
    assert {key for each in manifest["unmapped"] for key in each} == {
        "provider", "source_value", "count",
    }  # fmt: skip
    assert msgspec.json.decode(Manifest.from_json(json.dumps(manifest).encode()).to_json()) == (
        manifest
    )


def test_the_names_of_files_hold_their_number_and_count(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "r.1", target_file_bytes=1)
    commit(run, stage(run, lines(0, 3, bad=1)))
    names = sorted(path.name for path in (tmp_path / "job_status").iterdir())
    assert names == [f"job_status-r.1-0000{number}-of-00003.avro" for number in range(3)]
    names = [path.name for path in (tmp_path / "dead_letter").iterdir()]
    assert names == ["dead_letter-r.1-00000-of-00001.avro"]


def test_a_run_without_events_commits_an_empty_file(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    run = settings(str(tmp_path), "empty")
    commit(run, Ledger())
    (file,) = (tmp_path / "job_status").iterdir()
    with file.open("rb") as stream:
        reader = fastavro.reader(stream)
        assert list(reader) == []
        assert reader.writer_schema is not None
    manifest = Manifest.from_json(Path(manifest_path(str(tmp_path), "empty")).read_bytes())
    assert (manifest.read, manifest.conserved, len(manifest.files)) == (0, True, 1)
    assert not (tmp_path / "dead_letter").exists()
    assert leftovers(tmp_path) == []


def test_a_run_with_dead_letters_only_commits_an_empty_file_beside_them(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    run = settings(str(tmp_path), "bad")
    commit(run, stage(run, lines(0, 0, bad=3)))
    assert read_records(tmp_path, "job_status") == []
    assert len(list((tmp_path / "job_status").iterdir())) == 1
    assert len(read_records(tmp_path, "dead_letter")) == 3
