"""A commit is complete or absent, wherever it is interrupted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from schemas.errors import ForeignPathError, OutputError
from schemas.manifest import Manifest
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import SOURCE, lines, run_once, settings, stage
from tests.transforms.write.owners import ended_process, write_owner
from tests.transforms.write.scenes import (
    NEW,
    OLD,
    OLDER,
    Scene,
    content,
    content_of,
    leftovers,
    listed,
)
from transforms.blocks.ledger import Ledger
from transforms.storage import filesystem
from transforms.storage.manifests import (
    all_manifests,
    manifest_path,
    pending_path,
    read_intent,
)
from transforms.write.commit import commit, finish
from transforms.write.recovery import clear_staging, recover

pytestmark = pytest.mark.usefixtures("no_sync")

MODES = [("error", False), ("append", False), ("overwrite", False), ("overwrite", True)]


@pytest.fixture(params=MODES, ids=lambda mode: mode[0] + (" elsewhere" if mode[1] else ""))
def new_scene(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Scene]:
    """Returns a function that makes a new scene in a new directory."""
    count = iter(range(1000))

    def make() -> Scene:
        return Scene(tmp_path / str(next(count)), *request.param)

    return make


def _number_of_steps(scene: Scene) -> int:
    with failing(None) as done:
        scene.do()
    scene.check_done()
    return len(done)


@pytest.mark.parametrize("halfway", [False, True], ids=["between steps", "within a write"])
def test_after_a_kill_between_any_two_steps_the_same_run_completes(
    new_scene: Callable[[], Scene], halfway: bool
) -> None:
    for after in range(_number_of_steps(new_scene())):
        scene = new_scene()
        with failing(after, halfway=halfway) as done, pytest.raises(Killed):
            scene.do()
        assert len(done) == after
        scene.check_visible()
        scene.do()
        scene.check_done()


def test_after_a_kill_between_any_two_steps_another_run_completes_or_removes_it(
    new_scene: Callable[[], Scene],
) -> None:
    outcomes = set()
    for after in range(_number_of_steps(new_scene())):
        scene = new_scene()
        with failing(after), pytest.raises(Killed):
            scene.do()
        recover(replace(scene.run, run_id="next"))
        done = filesystem.exists(manifest_path(scene.run.output, "new"))
        outcomes.add(done)
        assert scene.content() == (scene.content_after() if done else scene.content_before())
        assert listed(scene.output) == scene.content()
        assert leftovers(scene.output, *scene.dead) == []
    assert outcomes == {True, False}


def test_after_an_error_at_any_step_nothing_is_left_or_the_next_run_completes_it(
    new_scene: Callable[[], Scene],
) -> None:
    def disk_full() -> BaseException:
        return OutputError("cannot write: No space left on device")

    for after in range(_number_of_steps(new_scene())):
        scene = new_scene()
        with failing(after, error=disk_full), pytest.raises(OutputError):
            scene.do()
        scene.check_visible()
        clear_staging(scene.run)
        if not scene.pending.exists():
            assert leftovers(scene.output, *scene.dead) == []
        scene.do()
        scene.check_done()


@given(st.lists(st.integers(0, 40), max_size=6), st.sampled_from(MODES), st.booleans())
def test_after_several_kills_the_last_run_gives_the_same_records(
    kills: list[int], mode: tuple[str, bool], halfway: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(Path(directory), *mode)
        for after in kills:
            try:
                with failing(after, halfway=halfway):
                    scene.do()
            except Killed:
                scene.check_visible()
        scene.do()
        scene.check_done()


def test_while_older_runs_are_removed_only_the_new_one_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "overwrite", False)
    with failing(None) as done:
        scene.do()
    first_removal = next(
        number
        for number, step in enumerate(done)
        if step.startswith("delete") and "job_status-old" in step
    )
    again = Scene(tmp_path / "again", "overwrite", False)
    with failing(first_removal), pytest.raises(Killed):
        again.do()
    assert again.pending.exists()
    found = all_manifests(str(again.output))
    ((path, manifest),) = found.current
    assert path == manifest_path(str(again.output), "new")
    assert sorted(manifest.replaces) == ["_manifest/old.json", "_manifest/older.json"]
    assert [path for path, _ in found.replaced] == [
        str(again.output / path) for path in sorted(manifest.replaces)
    ]


def test_an_intent_that_is_truncated_at_any_byte_is_ignored(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    ledger = stage(scene.run, NEW)
    write_owner(scene.run, pid=ended_process())
    with failing(1), pytest.raises(Killed):
        commit(scene.run, ledger)
    text = scene.pending.read_bytes()
    assert read_intent(str(scene.pending)) is not None
    cut = tmp_path / "cut"
    for length in range(len(text)):
        cut.write_bytes(text[:length])
        assert read_intent(str(cut)) is None
    # The next run removes it and starts again.
    scene.pending.write_bytes(text[: len(text) // 2])
    assert recover(scene.run) == []
    assert leftovers(scene.output) == []
    scene.do()
    scene.check_done()


def test_a_retry_replaces_a_truncated_intent(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    ledger = stage(scene.run, NEW)
    scene.pending.parent.mkdir(parents=True)
    scene.pending.write_bytes(b'{"renames":[')
    commit(scene.run, ledger)
    scene.check_done()


def test_an_intent_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    scene.pending.parent.mkdir(parents=True)
    scene.pending.write_bytes(b'{"steps":[]}')
    with pytest.raises(OutputError, match="another version"):
        recover(scene.run)
    assert scene.pending.exists()


def test_a_retry_of_a_commit_succeeds_and_changes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "overwrite", False)
    ledger = stage(scene.run, NEW).to_bytes()
    first = commit(scene.run, Ledger.from_bytes(ledger))
    files = {path: path.stat().st_mtime_ns for path in scene.output.rglob("*")}
    assert commit(scene.run, Ledger.from_bytes(ledger)) == first
    assert {path: path.stat().st_mtime_ns for path in scene.output.rglob("*")} == files
    scene.check_done()


def test_two_runs_can_complete_the_same_commit_at_the_same_time(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run", target_file_bytes=1)
    payloads = lines(0, 60)
    ledger = stage(run, payloads)
    with failing(1), pytest.raises(Killed):
        commit(run, ledger)
    intent = read_intent(pending_path(run.output, "run"))
    assert intent is not None
    renamed = len(intent.renames) // 2
    with failing(renamed), pytest.raises(Killed):
        finish(run, intent)

    real_rename = filesystem.rename

    def rename_after_the_other(pairs: list[tuple[str, str]]) -> None:
        real_rename(pairs)
        real_rename(pairs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem, "rename", rename_after_the_other)
        finish(run, intent)
    finish(run, intent)
    assert content(tmp_path) == content_of(payloads)
    assert leftovers(tmp_path) == []


def test_a_manifest_that_another_run_writes_first_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "error", False)
    real_write = filesystem.write

    def write_after_the_other(path: str, data: bytes) -> None:
        real_write(path, data)
        if path.endswith("/new.json"):
            raise OutputError(f"cannot write {path}: No such file or directory")

    monkeypatch.setattr(filesystem, "write", write_after_the_other)
    scene.do()
    scene.check_done()


def test_a_pending_commit_is_completed_after_the_output_was_moved(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "overwrite", False)
    other = Scene(tmp_path / "other", "overwrite", False)
    with failing(None) as done:
        other.do()
    first_rename = next(number for number, step in enumerate(done) if step.startswith("rename"))
    with failing(first_rename + 1), pytest.raises(Killed):
        scene.do()
    moved = tmp_path / "moved"
    scene.output.rename(moved)
    assert recover(replace(scene.run, output=str(moved))) == ["new"]
    assert content(moved) == content_of(NEW)
    assert leftovers(moved) == []


def test_the_run_id_of_a_replaced_run_can_be_used_again(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "x", write_mode="append")
    run_once(run, OLD)
    run_once(replace(run, run_id="y", write_mode="overwrite"), OLDER)
    run_once(run, NEW)
    for run_id in ("z", "y", "x"):
        recover(replace(run, run_id=run_id))
    assert content(tmp_path) == content_of(OLDER, NEW)
    assert listed(tmp_path) == content_of(OLDER, NEW)


@pytest.mark.parametrize("bad", [0, 1])
def test_a_commit_with_a_dead_letter_directory_is_completed_only_by_a_run_with_the_same(
    tmp_path: Path, bad: int
) -> None:
    letters = str(tmp_path / "letters")
    run = settings(str(tmp_path / "out"), "run", dead_letter_output=letters)
    ledger = stage(run, lines(0, 3, bad=bad))
    with failing(1), pytest.raises(Killed):
        commit(run, ledger)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ForeignPathError) as caught:
        recover(replace(run, run_id="next", dead_letter_output=None))
    assert caught.value.hint is not None
    assert f"--dead_letter_output '{letters}'" in caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before
    assert recover(replace(run, run_id="next")) == ["run"]


def test_many_threads_stage_and_commit_runs_of_one_output(tmp_path: Path) -> None:
    def one(number: int) -> None:
        run = settings(str(tmp_path), f"run-{number}", write_mode="append")
        run_once(run, lines(number * 100, 5))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(12)))
    assert content(tmp_path) == content_of(*[lines(number * 100, 5) for number in range(12)])
    assert listed(tmp_path) == content(tmp_path)
    assert [path for path in leftovers(tmp_path) if not path.endswith("_staging")] == []


def test_the_time_of_a_commit_is_linear_in_its_files(
    tmp_path: Path,
) -> None:
    def seconds(files: int) -> float:
        output = tmp_path / str(files)
        run = settings(str(output), "run")
        ledger = stage(run, lines(0, 1, bad=0), bundles=1)
        (file,) = ledger.files
        data = Path(file.path).read_bytes()
        for number in range(1, files):
            path = f"{file.path}-{number}"
            Path(path).write_bytes(data)
            ledger.files.append(replace_struct(file, path=path))
        counters = (
            ledger.by_record_type,
            ledger.by_value,
            ledger.by_source_value_type,
            ledger.by_derivation,
            ledger.by_day,
        )
        for counter in (*counters, *ledger.by_provider.values()):
            counter.update(dict.fromkeys(counter, files))
        ledger.read = ledger.written = files
        # Processor time, so that other work of the machine does not count.
        start = time.process_time()
        path = commit(run, ledger)
        took = time.process_time() - start
        assert len(Manifest.from_json(Path(path).read_bytes()).files) == files
        assert len(list((output / "job_status").iterdir())) == files
        assert leftovers(output) == []
        return took

    # Quadratic time would be 100 times as long. Measured: 0.4 s for 10,000 files.
    assert seconds(10_000) < 40 * seconds(1000)


def test_an_input_that_another_run_has_read_meanwhile_prevents_the_commit(tmp_path: Path) -> None:
    first, second = (
        settings(str(tmp_path), run_id, write_mode="append", skip_read=True)
        for run_id in ("first", "second")
    )
    ledgers = [stage(run, NEW) for run in (first, second)]
    for ledger in ledgers:
        ledger.inputs[SOURCE].modified_ns = 1
    commit(first, ledgers[0])
    with pytest.raises(OutputError, match="another run has read"):
        commit(second, ledgers[1])
    assert list(dict(all_manifests(str(tmp_path)).current)) == [
        manifest_path(str(tmp_path), "first")
    ]
