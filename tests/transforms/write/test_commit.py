"""Whole or absent: what a commit leaves, whenever it dies, and what it refuses."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import fastavro
import msgspec
import pytest
from apache_beam.io.filesystem import FileMetadata
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from schemas.errors import ForeignPathError, InputError, JobStatusError, OutputError
from schemas.manifest import Manifest
from tests.conftest import ReadRecords
from tests.transforms.faults import Killed, failing
from tests.transforms.memory_filesystem import MemoryFileSystem
from tests.transforms.runs import SOURCE, lines, run_once, settings, stage
from transforms.blocks.ledger import Ledger
from transforms.storage import filesystem
from transforms.storage.manifests import manifest_path, pending_path, read_intent, read_manifests
from transforms.write.commit import commit, finish
from transforms.write.recovery import clear_staging, recover

pytestmark = pytest.mark.usefixtures("no_sync")

OLD, OLDER, NEW = lines(0, 3), lines(100, 2), lines(200, 6, bad=2)


def _content(output: Path, *others: Path) -> Counter[str]:
    """What readers of the directories find: ids of jobs, and payloads of dead letters."""
    found: Counter[str] = Counter()
    for directory in (output / "job_status", output / "dead_letter", *others):
        for path in directory.glob("*.avro"):
            with path.open("rb") as file:
                for record in fastavro.reader(file):
                    assert isinstance(record, dict)
                    found[record.get("job_id") or record["payload"].decode()] += 1
    return found


def _content_of(*runs: list[bytes]) -> Counter[str]:
    events = [payload for run in runs for payload in run]
    return Counter(
        json.loads(each)["event_data"]["id"] if each.startswith(b"{") else each.decode()
        for each in events
    )


def _listed(output: Path) -> Counter[str]:
    """The same by the manifests: what they list must be there, whole."""
    found: Counter[str] = Counter()
    for _, manifest in read_manifests(str(output)):
        for each in manifest.files:
            path = output / each.path
            data = path.read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (each.bytes, each.sha256)
            with path.open("rb") as file:
                records = list(fastavro.reader(file))
            assert len(records) == each.records
            for record in records:
                assert isinstance(record, dict)
                found[record.get("job_id") or record["payload"].decode()] += 1
    return found


def _leftovers(*directories: Path) -> list[str]:
    """What no run should leave: staging, intents, parts of files."""
    return [
        str(path)
        for directory in directories
        for path in directory.rglob("*")
        if "_staging" in path.parts or path.name.endswith((".part", ".pending.json"))
    ]


class Scene:
    """An output with or without older runs, and the run that is done into it.

    Args:
        directory: Where to make it.
        write_mode: Of the run; other than `error`, two older runs are there.
        elsewhere: Whether the dead letters go to a directory of their own.
    """

    def __init__(self, directory: Path, write_mode: str, elsewhere: bool) -> None:
        self.output = directory / "out"
        self.dead = [directory / "dead"] if elsewhere else []
        changes = {"dead_letter_output": str(self.dead[0])} if elsewhere else {}
        self.run = settings(str(self.output), "new", write_mode=write_mode, **changes)
        self.before = [] if write_mode == "error" else [OLD, OLDER]
        for run_id, payloads in zip(("old", "older"), self.before, strict=False):
            run_once(replace(self.run, run_id=run_id, write_mode="append"), payloads)

    def do(self) -> None:
        """Does the run."""
        run_once(self.run, NEW)

    def content(self) -> Counter[str]:
        """What readers find."""
        return _content(self.output, *self.dead)

    def content_before(self) -> Counter[str]:
        """What readers found before the run."""
        return _content_of(*self.before)

    def content_after(self) -> Counter[str]:
        """What they find after it."""
        kept = self.before if self.run.write_mode == "append" else []
        return _content_of(*kept, NEW)

    def check_done(self) -> None:
        """Checks that the output is as if nothing had ever gone wrong."""
        assert self.content() == self.content_after()
        assert _listed(self.output) == self.content_after()
        assert _leftovers(self.output, *self.dead) == []

    def check_visible(self) -> None:
        """Checks that each file under a final name is complete, whatever just happened."""
        for directory in (self.output / "job_status", self.output / "dead_letter", *self.dead):
            for path in directory.glob("*.avro"):
                with path.open("rb") as file:
                    assert len(list(fastavro.reader(file))) > 0
        if not pending_path_of(self).exists():
            expected = (self.content_before(), self.content_after())
            assert self.content() in expected


def pending_path_of(scene: Scene) -> Path:
    return Path(pending_path(scene.run.output, scene.run.run_id))


MODES = [("error", False), ("append", False), ("overwrite", False), ("overwrite", True)]


@pytest.fixture(params=MODES, ids=lambda mode: mode[0] + (" elsewhere" if mode[1] else ""))
def new_scene(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Scene]:
    """Makes one scene after another, each in a directory of its own."""
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
def test_killed_between_any_two_steps_the_same_run_is_done_by_the_next(
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


def test_killed_between_any_two_steps_another_run_completes_or_removes(
    new_scene: Callable[[], Scene],
) -> None:
    outcomes = set()
    for after in range(_number_of_steps(new_scene())):
        scene = new_scene()
        with failing(after), pytest.raises(Killed):
            scene.do()
        # Under `append`, staging this young may belong to a living run.
        mode = "error" if scene.run.write_mode == "append" else scene.run.write_mode
        recover(replace(scene.run, run_id="next", write_mode=mode))
        done = filesystem.exists(manifest_path(scene.run.output, "new"))
        outcomes.add(done)
        assert scene.content() == (scene.content_after() if done else scene.content_before())
        assert _listed(scene.output) == scene.content()
        assert _leftovers(scene.output, *scene.dead) == []
    assert outcomes == {True, False}


def test_an_error_at_any_step_leaves_nothing_or_what_the_next_run_completes(
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
        if not pending_path_of(scene).exists():
            assert _leftovers(scene.output, *scene.dead) == []
        scene.do()
        scene.check_done()


@given(st.lists(st.integers(0, 40), max_size=6), st.sampled_from(MODES), st.booleans())
@hypothesis_settings(max_examples=40)
def test_killed_again_and_again_the_last_run_still_gives_the_same(
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


def test_while_older_runs_are_replaced_a_manifest_says_so(tmp_path: Path) -> None:
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
    assert pending_path_of(again).exists()
    found = dict(read_manifests(str(again.output)))
    replaced = found[manifest_path(str(again.output), "new")].replaces
    assert sorted(replaced) == ["_manifest/old.json", "_manifest/older.json"]
    assert {str(again.output / path) for path in replaced} < found.keys()


def test_an_intent_cut_at_any_byte_is_none(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    ledger = stage(scene.run, NEW)
    with failing(1), pytest.raises(Killed):
        commit(scene.run, ledger)
    text = pending_path_of(scene).read_bytes()
    assert read_intent(str(pending_path_of(scene))) is not None
    cut = tmp_path / "cut"
    for length in range(len(text)):
        cut.write_bytes(text[:length])
        assert read_intent(str(cut)) is None
    # The next run removes it and does the whole again.
    pending_path_of(scene).write_bytes(text[: len(text) // 2])
    assert recover(scene.run) == []
    assert _leftovers(scene.output) == []
    scene.do()
    scene.check_done()


def test_a_retry_of_a_cut_off_intent_writes_it_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    ledger = stage(scene.run, NEW)
    pending_path_of(scene).parent.mkdir(parents=True)
    pending_path_of(scene).write_bytes(b'{"renames":[')
    commit(scene.run, ledger)
    scene.check_done()


def test_an_intent_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "error", False)
    pending_path_of(scene).parent.mkdir(parents=True)
    pending_path_of(scene).write_bytes(b'{"steps":[]}')
    with pytest.raises(OutputError, match="another version"):
        recover(scene.run)
    assert pending_path_of(scene).exists()


def test_a_commit_that_is_retried_is_a_success(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "overwrite", False)
    ledger = stage(scene.run, NEW).to_bytes()
    first = commit(scene.run, Ledger.from_bytes(ledger))
    files = {path: path.stat().st_mtime_ns for path in scene.output.rglob("*")}
    assert commit(scene.run, Ledger.from_bytes(ledger)) == first
    assert {path: path.stat().st_mtime_ns for path in scene.output.rglob("*")} == files
    scene.check_done()


def test_two_that_complete_the_same_commit_do_not_disturb_each_other(tmp_path: Path) -> None:
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
    assert _content(tmp_path) == _content_of(payloads)
    assert _leftovers(tmp_path) == []


def test_a_manifest_that_another_run_wrote_meanwhile_is_no_error(
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


def test_a_pending_commit_is_completed_from_where_the_output_was_moved_to(tmp_path: Path) -> None:
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
    assert _content(moved) == _content_of(NEW)
    assert _leftovers(moved) == []


def test_a_run_id_that_was_replaced_can_be_used_again(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "x", write_mode="append")
    run_once(run, OLD)
    run_once(replace(run, run_id="y", write_mode="overwrite"), OLDER)
    run_once(run, NEW)
    for run_id in ("z", "y", "x"):
        recover(replace(run, run_id=run_id))
    assert _content(tmp_path) == _content_of(OLDER, NEW)
    assert _listed(tmp_path) == _content_of(OLDER, NEW)


def test_the_files_of_a_run_are_numbered_and_counted(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "r.1", target_file_bytes=1)
    commit(run, stage(run, lines(0, 3, bad=1)))
    names = sorted(path.name for path in (tmp_path / "job_status").iterdir())
    assert names == [f"job_status-r.1-0000{number}-of-00003.avro" for number in range(3)]
    names = [path.name for path in (tmp_path / "dead_letter").iterdir()]
    assert names == ["dead_letter-r.1-00000-of-00001.avro"]


def test_a_run_of_no_events_leaves_a_file_that_can_be_read(
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
    assert _leftovers(tmp_path) == []


def test_a_run_of_dead_letters_alone_leaves_an_empty_file_beside_them(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    run = settings(str(tmp_path), "bad")
    commit(run, stage(run, lines(0, 0, bad=3)))
    assert read_records(tmp_path, "job_status") == []
    assert len(list((tmp_path / "job_status").iterdir())) == 1
    assert len(read_records(tmp_path, "dead_letter")) == 3


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
def test_books_that_do_not_close_stop_the_commit(
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


@pytest.mark.parametrize("change", ["lost", "cut"])
def test_a_staged_file_that_is_not_whole_stops_the_commit(tmp_path: Path, change: str) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    staged = Path(ledger.files[0].path)
    if change == "lost":
        staged.unlink()
    else:
        staged.write_bytes(staged.read_bytes()[:-1])
    with pytest.raises(OutputError, match="nothing was committed"):
        commit(run, ledger)
    clear_staging(run)
    assert [path.name for path in tmp_path.rglob("*")] == []


def test_a_file_that_is_cut_before_the_manifest_is_there_is_found(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    ledger = stage(run, NEW)
    with failing(1 + len(ledger.files)), pytest.raises(Killed):
        commit(run, ledger)
    file = next((tmp_path / "job_status").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(OutputError, match="cannot be completed"):
        recover(run)
    assert not filesystem.exists(manifest_path(run.output, "run"))


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


def test_a_run_that_was_to_be_the_only_one_is_refused_when_it_is_not(tmp_path: Path) -> None:
    late = settings(str(tmp_path), "late", write_mode="error")
    ledger = stage(late, NEW)
    commit(settings(str(tmp_path), "first", write_mode="append"), Ledger())
    with pytest.raises(OutputError, match="another run was committed"):
        commit(late, ledger)
    assert _content(tmp_path) == Counter()


def test_something_else_among_the_manifests_is_named(tmp_path: Path) -> None:
    (tmp_path / "_manifest").mkdir()
    (tmp_path / "_manifest" / "notes.json").write_text("[]")
    with pytest.raises(OutputError, match=r"notes\.json is not a manifest"):
        read_manifests(str(tmp_path))


def test_a_manifest_that_cannot_be_opened_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "_manifest").mkdir()
    commit(settings(str(tmp_path), "run"), Ledger())
    real_open = filesystem.open_for_reading

    def refuse(path: str) -> object:
        raise InputError(f"cannot open the input {path}: Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem, "open_for_reading", refuse)
        with pytest.raises(OutputError, match=r"cannot open /.*run\.json: Permission denied"):
            read_manifests(str(tmp_path))
    assert filesystem.open_for_reading is real_open


REPORT_KEYS = [
    *("run_id", "read", "written", "dead_lettered", "ignored"),
    *("by_value", "by_source_value_type", "by_derivation", "by_provider", "by_day"),
    *("by_error_code", "ignored_by_type", "unreadable_timestamps", "conserved", "unmapped"),
    *("inputs", "files", "duration_seconds", "events_per_second"),
]
EXTRA_KEYS = [
    *("pipeline_version", "schema_version", "schema_fingerprint", "mapping_fingerprint"),
    *("committed_at", "replaces", "consumed"),
]


def test_the_keys_of_a_manifest_are_those_of_a_report_and_few_more(tmp_path: Path) -> None:
    run = settings(str(tmp_path), "run")
    manifest = json.loads(Path(commit(run, stage(run, NEW))).read_bytes())
    assert list(manifest) == REPORT_KEYS + EXTRA_KEYS
    assert {key for each in manifest["files"] for key in each} == {
        "path", "records", "bytes", "sha256", "output",
    }  # fmt: skip
    assert {key for each in manifest["inputs"] for key in each} == {"path", "bytes", "damaged"}
    assert {key for each in manifest["unmapped"] for key in each} == {
        "provider", "source_value", "count",
    }  # fmt: skip
    assert msgspec.json.decode(Manifest.from_json(json.dumps(manifest).encode()).to_json()) == (
        manifest
    )


@pytest.fixture
def objects() -> dict[str, bytes]:
    """The objects of an empty store."""
    MemoryFileSystem.objects.clear()
    return MemoryFileSystem.objects


def _records_in(objects: dict[str, bytes], prefix: str) -> int:
    return sum(
        len(list(fastavro.reader(io.BytesIO(data))))
        for path, data in objects.items()
        if path.startswith(prefix)
    )


def test_on_an_object_store_killed_anywhere_the_next_run_gives_the_same(
    objects: dict[str, bytes],
) -> None:
    output = "mem://bucket/out"
    old = settings(output, "old", write_mode="append")
    new = replace(old, run_id="new", write_mode="overwrite")

    def start() -> None:
        objects.clear()
        run_once(old, OLD)
        # Of an attempt that an engine repeated: nobody will rename it.
        filesystem.write(f"{new.place('job_status_event').staging('new')}/lost.avro", b"half")

    start()
    with failing(None) as done:
        run_once(new, NEW)
    for after in range(len(done)):
        start()
        with failing(after), pytest.raises(Killed):
            run_once(new, NEW)
        run_once(new, NEW)
        assert _records_in(objects, f"{output}/job_status/") == 6
        assert _records_in(objects, f"{output}/dead_letter/") == 2
        assert sorted(path for path in objects if "/_" in path) == [f"{output}/_manifest/new.json"]


def test_dead_letters_go_to_another_filesystem(tmp_path: Path, objects: dict[str, bytes]) -> None:
    run = settings(str(tmp_path), "run", dead_letter_output="mem://bucket/dead")
    with failing(None) as done:
        run_once(run, NEW)
    for after in range(len(done)):
        output = tmp_path / str(after)
        objects.clear()
        run = replace(run, output=str(output))
        with failing(after), pytest.raises(Killed):
            run_once(run, NEW)
        run_once(run, NEW)
        assert _records_in(objects, "mem://bucket/dead/dead_letter-run-") == 2
        assert sum(_content(output).values()) == 6
        manifest = Manifest.from_json(Path(manifest_path(str(output), "run")).read_bytes())
        files = [each.path for each in manifest.files if each.output == "dead_letter"]
        assert files == sorted(objects)
        assert _leftovers(output) == []


@pytest.mark.parametrize(
    "path", ["../victim/a", "mem://bucket/out/../victim/a", "mem://bucket/victim/a", "/victim/a"]
)
def test_on_an_object_store_nothing_outside_the_output_is_deleted(
    objects: dict[str, bytes], path: str
) -> None:
    old = settings("mem://bucket/out", "old")
    run_once(old, OLD)
    objects["mem://bucket/victim/a"] = objects["mem://bucket/out/../victim/a"] = b"precious"
    manifest = Manifest.from_json(objects[manifest_path(old.output, "old")])
    manifest.files.append(replace_struct(manifest.files[0], path=path))
    objects[manifest_path(old.output, "old")] = manifest.to_json()
    new = replace(old, run_id="new", write_mode="overwrite")
    ledger = stage(new, NEW)
    before = dict(objects)
    with pytest.raises(ForeignPathError, match=re.escape(repr(path))):
        commit(new, ledger)
    assert objects == before


@pytest.mark.parametrize("bad", [0, 1])
def test_a_commit_into_another_directory_is_completed_by_a_run_that_has_it_too(
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


def test_a_link_that_comes_while_a_run_works_stops_its_commit(tmp_path: Path) -> None:
    run = settings(str(tmp_path / "out"), "run")
    ledger = stage(run, NEW)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out" / "job_status").symlink_to(tmp_path / "theirs")
    with pytest.raises(ForeignPathError, match="symbolic link"):
        commit(run, ledger)
    assert list((tmp_path / "theirs").iterdir()) == []


def test_many_threads_stage_and_commit_runs_of_one_output(tmp_path: Path) -> None:
    def one(number: int) -> None:
        run = settings(str(tmp_path), f"run-{number}", write_mode="append")
        run_once(run, lines(number * 100, 5))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(12)))
    assert _content(tmp_path) == _content_of(*[lines(number * 100, 5) for number in range(12)])
    assert _listed(tmp_path) == _content(tmp_path)
    assert [path for path in _leftovers(tmp_path) if not path.endswith("_staging")] == []


def test_the_time_of_a_commit_grows_with_its_files_and_not_with_their_square(
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
            ledger.by_value,
            ledger.by_source_value_type,
            ledger.by_derivation,
            ledger.by_day,
        )
        for counter in (*counters, *ledger.by_provider.values()):
            counter.update(dict.fromkeys(counter, files))
        ledger.read = ledger.written = files
        # Of the processor: what else the machine does does not count.
        start = time.process_time()
        path = commit(run, ledger)
        took = time.process_time() - start
        assert len(Manifest.from_json(Path(path).read_bytes()).files) == files
        assert len(list((output / "job_status").iterdir())) == files
        assert _leftovers(output) == []
        return took

    # A square would take 100 times as long; for 10,000 files it is 0.4 s.
    assert seconds(10_000) < 40 * seconds(1000)


def test_on_an_object_store_staging_goes_with_all_that_nobody_renamed(
    objects: dict[str, bytes],
) -> None:
    run = settings("mem://bucket/out", "run")
    ledger = stage(run, NEW)
    # Of an attempt at a bundle that the engine repeated.
    objects[f"{run.place('job_status_event').staging('run')}/lost.avro"] = b"half"
    commit(run, ledger)
    assert [path for path in objects if "_staging" in path] == []


def test_a_commit_does_not_go_through_the_files_of_other_runs(
    objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = settings("mem://bucket/out", "run", write_mode="append")
    others = {f"mem://bucket/out/job_status/job_status-{n}-00000-of-00001.avro" for n in range(9)}
    objects.update(dict.fromkeys(others, b""))
    ledger = stage(run, NEW)
    listed: list[str] = []

    def look(filesystem: MemoryFileSystem, prefix: str) -> Iterator[FileMetadata]:
        found = list(own_look(filesystem, prefix))
        listed.extend(each.path for each in found)
        return iter(found)

    own_look = MemoryFileSystem._list
    monkeypatch.setattr(MemoryFileSystem, "_list", look)
    commit(run, ledger)
    assert others.isdisjoint(listed)
    assert _records_in(objects, "mem://bucket/out/job_status/job_status-run-") == 6
