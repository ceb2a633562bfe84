"""The checks that stop a commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import ForeignPathError, InputError, JobStatusError, OutputError
from schemas.manifest import Manifest
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import SOURCE, settings, stage
from tests.transforms.write.scenes import (
    NEW,
    content,
)
from transforms.blocks.ledger import Ledger
from transforms.storage import filesystem
from transforms.storage.manifests import manifest_path
from transforms.write.commit import commit
from transforms.write.recovery import clear_staging, recover

pytestmark = pytest.mark.usefixtures("no_sync")


def _lost_records(ledger: Ledger) -> None:
    ledger.files.pop()


def _lost_block(ledger: Ledger) -> None:
    del ledger.inputs[SOURCE].spans[0]


def _block_twice(ledger: Ledger) -> None:
    ledger.inputs[SOURCE].spans.append(ledger.inputs[SOURCE].spans[0])


def _lost_event(ledger: Ledger) -> None:
    ledger.read += 1


def _unread_file(ledger: Ledger) -> None:
    ledger.merge(Ledger.from_bytes(Ledger().to_bytes()))
    ledger.inputs["another.jsonl"] = type(ledger.inputs[SOURCE])(bytes=7, end=7)


def _unfinished_file(ledger: Ledger) -> None:
    ledger.inputs[SOURCE].end = None


@pytest.mark.parametrize(
    "fault",
    [_lost_records, _lost_block, _block_twice, _lost_event, _unread_file, _unfinished_file],
)
def test_a_ledger_that_does_not_balance_stops_the_commit(
    tmp_path: Path, fault: Callable[[Ledger], None]
) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    fault(ledger)
    with pytest.raises(JobStatusError, match="ledger does not balance") as caught:
        commit(run, ledger)
    assert caught.value.exit_code == 1
    assert "200" not in caught.value.message.replace(str(tmp_path), "")
    clear_staging(run)
    assert [path.name for path in tmp_path.rglob("*")] == []


@pytest.mark.parametrize("change", ["missing", "truncated"])
def test_a_missing_or_truncated_staged_file_stops_the_commit(tmp_path: Path, change: str) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    staged = Path(ledger.files[0].path)
    if change == "missing":
        staged.unlink()
    else:
        staged.write_bytes(staged.read_bytes()[:-1])
    with pytest.raises(OutputError, match="nothing was committed"):
        commit(run, ledger)
    clear_staging(run)
    assert [path.name for path in tmp_path.rglob("*")] == []


def test_a_damaged_input_stops_the_commit_unless_damage_is_accepted(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    for number in range(5):
        ledger.inputs[f"{number}.gz"] = type(ledger.inputs[SOURCE])(end=0, damage="cut off")
    with pytest.raises(InputError, match=r"0\.gz: cut off; .*; and 2 more") as caught:
        commit(run, Ledger.from_bytes(ledger.to_bytes()))
    assert caught.value.exit_code == 3
    assert not (tmp_path / "_manifest").exists()
    kept = Path(commit(replace(run, keep_damaged=True), ledger))
    damaged = [each.path for each in Manifest.from_json(kept.read_bytes()).inputs if each.damaged]
    assert damaged == [f"{number}.gz" for number in range(5)]


def test_in_the_mode_error_a_run_that_was_committed_meanwhile_stops_the_commit(
    tmp_path: Path,
) -> None:
    late = settings(str(tmp_path), "late", write_mode="error")
    ledger = stage(late, NEW)
    commit(settings(str(tmp_path), "first", write_mode="append"), Ledger())
    with pytest.raises(OutputError, match="another run was committed"):
        commit(late, ledger)
    assert content(tmp_path) == Counter()


def test_a_link_that_is_made_during_a_run_stops_its_commit(tmp_path: Path) -> None:
    run = settings(str(tmp_path / "out"), "run")
    ledger = stage(run, NEW)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out" / "job_status").symlink_to(tmp_path / "theirs")
    with pytest.raises(ForeignPathError, match="symbolic link"):
        commit(run, ledger)
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_file_that_is_truncated_before_the_manifest_is_written_is_found(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    with failing(1 + len(ledger.files)), pytest.raises(Killed):
        commit(run, ledger)
    file = next((tmp_path / "job_status").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(OutputError, match="cannot be completed"):
        recover(run)
    assert not filesystem.exists(manifest_path(run.output, "run"))
