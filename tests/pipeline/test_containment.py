"""No link and no manifest makes a command delete, rename or read a file outside the output."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.pipeline.command import Said, assert_clear_error, job_status, write_events

pytestmark = pytest.mark.usefixtures("no_sync")

_LETTERS = "dead_letter-first-00000-of-00001.avro"


class Place(NamedTuple):
    """An output of one run, and `victim`, a directory beside it that no command may touch."""

    directory: Path
    events: Path
    output: Path
    victim: Path

    def do(self, command: str, *more: str | Path) -> Said:
        """Runs a command on the output, for instance `run append`."""
        name, *mode = command.split()
        if name == "run":
            events = ("--input", self.events, "--output", self.output)
            return job_status("run", *events, "--write_mode", *mode, *more)
        target = ("--output", self.output) if name == "replay" else ()
        return job_status(name, self.output, *target, *more)

    def state(self) -> dict[str, Any]:
        """Returns the content and the times of all files; links are not followed."""
        return {str(path): _content(path) for path in self.directory.rglob("*")}


def _content(path: Path) -> Path | tuple[int, bytes] | None:
    if path.is_symlink():
        return path.readlink()
    return None if path.is_dir() else (path.stat().st_mtime_ns, path.read_bytes())


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An output with records and dead letters."""
    return _new_place(tmp_path_factory.mktemp("committed"))


def _new_place(directory: Path, *more: str | Path) -> Place:
    events = write_events(directory / "in.jsonl", 0, 3, bad=2)
    place = Place(directory, events, directory / "out", directory / "victim")
    assert place.do("run error", "--run_id", "first", *more).code == 0
    for name in ("precious", "precious.avro", "x.json", "run/precious", _LETTERS):
        path = place.victim / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    return place


@pytest.fixture
def place(committed: Place, tmp_path: Path) -> Place:
    """A copy for one test to change."""
    directory = Path(shutil.copytree(committed.directory, tmp_path / "copy"))
    return Place(directory, directory / "in.jsonl", directory / "out", directory / "victim")


def _assert_refused(place: Place, command: str, *parts: str) -> None:
    """Asserts that a command ends with exit code 5 and a clear error, and changes nothing."""
    before = place.state()
    assert_clear_error(place.do(command), 5, *parts)
    assert place.state() == before


# Links inside the output


def _link_to_victim(place: Place, name: str) -> None:
    path = place.output / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(place.victim, target_is_directory=True)


def _link_in_place_of(place: Place, name: str) -> None:
    path = place.output / name
    path.rename(place.victim / "moved")
    path.symlink_to(place.victim / "moved")


_RUNS = ["run error", "run append", "run overwrite", "replay"]
_READERS = ["inspect", "dead-letters"]


@pytest.mark.parametrize("name", ["_staging", "_staging/run"])
@pytest.mark.parametrize("command", _RUNS)
def test_staging_is_not_removed_through_a_link(place: Place, command: str, name: str) -> None:
    _link_to_victim(place, name)
    _assert_refused(place, command, str(place.output / name), "symbolic link")


def test_validate_reports_a_link(place: Place) -> None:
    _link_to_victim(place, "_staging/run")
    before = place.state()
    arguments = ("--input", place.events, "--output", place.output, "--write_mode", "append")
    said = job_status("validate", *arguments)
    assert said.code == 5
    assert "symbolic link" in said.out
    assert place.state() == before


@pytest.mark.parametrize("name", ["_manifest", "_manifest/first.json", "job_status", "dead_letter"])
@pytest.mark.parametrize("command", [*_RUNS, *_READERS])
def test_a_link_in_place_of_a_directory_or_a_manifest_is_refused(
    place: Place, command: str, name: str
) -> None:
    _link_in_place_of(place, name)
    _assert_refused(place, command, str(place.output / name), "symbolic link")


@pytest.mark.parametrize("command", ["run overwrite", "replay", *_READERS])
def test_a_link_in_place_of_a_committed_file_is_refused(place: Place, command: str) -> None:
    name = f"dead_letter/{_LETTERS}"
    _link_in_place_of(place, name)
    _assert_refused(place, command, str(place.output / name), "symbolic link")


@pytest.mark.parametrize("name", ["job_status/x.avro", "dead_letter/x.avro"])
def test_a_link_beside_the_committed_files_is_not_read(place: Place, name: str) -> None:
    (place.output / name).symlink_to(place.victim / "precious.avro")
    _assert_refused(place, "inspect", str(place.output / name), "symbolic link")


def test_a_link_among_dead_letters_without_a_manifest_is_not_read(place: Place) -> None:
    shutil.rmtree(place.output / "_manifest")
    _link_in_place_of(place, f"dead_letter/{_LETTERS}")
    for command in ("replay", "dead-letters"):
        _assert_refused(place, command, _LETTERS, "symbolic link")


# Links of the user


@pytest.mark.parametrize("linked", ["out", "above"])
def test_the_output_and_a_directory_above_it_may_be_links(tmp_path: Path, linked: str) -> None:
    (tmp_path / "real" / "out").mkdir(parents=True)
    (tmp_path / "above").symlink_to(tmp_path / "real")
    (tmp_path / "out").symlink_to(tmp_path / "real" / "out")
    output = tmp_path / "out" if linked == "out" else tmp_path / "above" / "out"
    events = write_events(tmp_path / "in.jsonl", 0, 3, bad=2)
    place = Place(tmp_path, events, output, tmp_path)
    for command in (*_RUNS, *_READERS):
        # The dead letters cannot be repaired, so a replay writes nothing.
        assert place.do(command).code == (4 if command == "replay" else 0), command


def test_a_dead_letter_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    letters = tmp_path / "letters"
    letters.symlink_to("real")
    place = _new_place(tmp_path / "place", "--dead_letter_output", letters)
    for command in ("run append", "run overwrite", "replay"):
        code = 4 if command == "replay" else 0
        assert place.do(command, "--dead_letter_output", letters).code == code
    for command in _READERS:
        assert place.do(command).code == 0


def test_inputs_may_be_links(place: Place, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "letters.avro").symlink_to(place.output / "dead_letter" / _LETTERS)
    (inputs / "in.jsonl").symlink_to(place.events)
    other = tmp_path / "other"
    events = inputs / "in.jsonl"
    assert job_status("run", "--input", events, "--output", other).code == 0
    assert job_status("replay", inputs, "--output", other).code == 4
    assert job_status("dead-letters", inputs).code == 0
    assert job_status("inspect", inputs / "letters.avro").code == 0


# Manifests


def _change_manifest(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    path = place.output / "_manifest" / "first.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def _lists(path: str, output: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        file = {"path": path, "records": 1, "bytes": 8, "sha256": "", "output": output}
        manifest["files"].append(file)

    return change


_OUTSIDE = [
    "../victim/precious",
    "{victim}/precious",
    "a/../../victim/precious",
    "job_status/../../victim/precious",
    "file://{victim}/precious",
    "nosuch://victim/precious",
    f"../victim/{_LETTERS}",
    f"{{victim}}/../victim/{_LETTERS}",
    f"file://{{victim}}/{_LETTERS}",
    f"{{victim}}/./{_LETTERS}",
    "{victim}/job_status-first-00000-of-00001.avro",
    "{victim}/dead_letter-other-00000-of-00001.avro",
    "{victim}/dead_letter-first.0123456789-00000-of-00001.avro",
    "",
    ".",
    "in\0valid",
]


@pytest.mark.parametrize("path", _OUTSIDE)
@pytest.mark.parametrize("output", ["job_status", "dead_letter"])
def test_a_manifest_that_lists_a_foreign_file_is_refused(
    place: Place, path: str, output: str
) -> None:
    path = path.format(victim=place.victim)
    _change_manifest(place, _lists(path, output))
    for command in ("run error", "run overwrite", "replay", *_READERS):
        _assert_refused(place, command, "first.json", repr(path))


def test_a_manifest_that_lists_a_file_no_run_wrote_is_refused(place: Place) -> None:
    (place.output / "notes.txt").write_text("mine")
    _change_manifest(place, _lists("notes.txt", "job_status"))
    _assert_refused(place, "run overwrite", "notes.txt")


def test_append_does_not_touch_the_files_that_a_manifest_lists(place: Place) -> None:
    _change_manifest(place, _lists("../victim/precious", "dead_letter"))
    before = {path: content for path, content in place.state().items() if "/victim/" in path}
    assert place.do("run append").code == 0
    assert before and before.items() <= place.state().items()


@pytest.mark.parametrize("path", ["../victim/x.json", "{victim}/x.json", "job_status/x.json"])
def test_a_manifest_that_replaces_a_foreign_file_is_refused(place: Place, path: str) -> None:
    path = path.format(victim=place.victim)
    _change_manifest(place, lambda manifest: manifest.update(replaces=[path]))
    for command in ("run error", "run overwrite", "replay", *_READERS):
        _assert_refused(place, command, path)


def test_a_manifest_that_consumed_a_file_outside_the_output_is_refused(place: Place) -> None:
    path = f"../victim/{_LETTERS}"
    _change_manifest(place, lambda manifest: manifest.update(consumed=[path]))
    for command in ("run error", "run overwrite", "replay", *_READERS):
        _assert_refused(place, command, path)


@pytest.mark.parametrize("run_id", ["../../victim/x", "other", "a\nb\nc\nd"])
def test_a_manifest_of_another_run_is_refused(place: Place, run_id: str) -> None:
    _change_manifest(place, lambda manifest: manifest.update(run_id=run_id))
    for command in ("run error", "run overwrite", "replay", *_READERS):
        _assert_refused(place, command, "first.json", repr(run_id))


# Intents

_FINAL = "job_status/job_status-second-00000-of-00001.avro"


def _write_intent(place: Place, **changes: Any) -> None:
    """Writes the intent of a run with the id `second`, with some changes."""
    staged = place.output / "_staging" / "second" / "a.avro"
    staged.parent.mkdir(parents=True)
    staged.write_text("staged")
    file = {"path": _FINAL, "records": 1, "bytes": 6, "sha256": "", "output": "job_status"}
    intent: dict[str, Any] = {
        "renames": [["_staging/second/a.avro", _FINAL]],
        "staging": ["_staging/second"],
        "manifest": {"run_id": "second", "files": [file]},
    }
    for name, value in changes.items():
        (intent["manifest"] if name in ("run_id", "replaces") else intent)[name] = value
    if "renames" in changes:
        file["path"] = changes["renames"][0][1]
    path = place.output / "_manifest" / "second.pending.json"
    path.write_text(json.dumps(intent))


@pytest.mark.parametrize(
    "changes",
    [
        {"renames": [["../victim/precious", _FINAL]]},
        {"renames": [["{victim}/precious", _FINAL]]},
        {"renames": [["in.jsonl", _FINAL]]},
        {"renames": [["_staging/second/..", _FINAL]]},
        {"renames": [["_staging/second/a.avro", "../victim/precious"]]},
        {"renames": [["_staging/second/a.avro", "{victim}/precious"]]},
        {"renames": [["_staging/second/a.avro", "{victim}/job_status-second-00000-of-00001.avro"]]},
        {
            "renames": [
                ["_staging/second/a.avro", "{victim}/dead_letter-second-00000-of-00001.avro"]
            ]
        },
        {"staging": ["_staging/second", "../victim"]},
        {"staging": ["_staging/second", "{victim}"]},
        {"staging": ["_staging/second", "{victim}/_staging/second"]},
        {"staging": ["_staging/second", "../victim/_staging/second"]},
        {"staging": ["_staging/second", "job_status"]},
        {"replaces": ["../victim/x.json"]},
        {"replaces": ["{victim}/x.json"]},
        {"run_id": "../../victim/x"},
        {"run_id": "first"},
    ],
    ids=lambda changes: json.dumps(changes),
)
@pytest.mark.parametrize("command", _RUNS)
def test_an_intent_that_would_change_foreign_files_is_refused(
    place: Place, command: str, changes: dict[str, Any]
) -> None:
    (place.victim / "_staging" / "second").mkdir(parents=True)
    (place.victim / "_staging" / "second" / "precious").write_text("precious")
    text = json.dumps(changes).replace("{victim}", str(place.victim))
    _write_intent(place, **json.loads(text))
    _assert_refused(place, command, "left as it is")


def test_an_intent_that_renames_a_file_it_does_not_list_is_refused(place: Place) -> None:
    _write_intent(place)
    path = place.output / "_manifest" / "second.pending.json"
    intent = json.loads(path.read_bytes())
    intent["manifest"]["files"] = []
    path.write_text(json.dumps(intent))
    _assert_refused(place, "run append", str(path))


def test_an_intent_is_not_completed_through_a_link(place: Place) -> None:
    _write_intent(place)
    _link_in_place_of(place, "job_status")
    _assert_refused(place, "run append", str(place.output / "job_status"))


def test_a_valid_intent_is_completed(place: Place) -> None:
    _write_intent(place)
    said = place.do("run append")
    assert said.code == 0, said.err
    assert "completed the run second" in said.err
    assert (place.output / _FINAL).read_text() == "staged"


# Dead letters in another directory


@pytest.fixture
def apart(tmp_path: Path) -> tuple[Place, Path]:
    """An output and its file of dead letters, which is in another directory."""
    letters = tmp_path / "letters"
    place = _new_place(tmp_path / "place", "--dead_letter_output", letters)
    (file,) = letters.glob("*.avro")
    return place, file


def test_dead_letters_elsewhere_are_read_without_an_option(apart: tuple[Place, Path]) -> None:
    place, file = apart
    for command in (*_READERS, "replay"):
        assert place.do(command).code == (4 if command == "replay" else 0), command
    assert file.exists()


def test_dead_letters_elsewhere_are_replaced_only_with_the_option(
    apart: tuple[Place, Path],
) -> None:
    place, file = apart
    before = file.read_bytes()
    assert_clear_error(place.do("run overwrite"), 5, f"--dead_letter_output '{file.parent}'")
    assert file.read_bytes() == before
    said = place.do("run overwrite", "--dead_letter_output", file.parent)
    assert said.code == 0, said.err
    assert not file.exists()
    assert len(list(file.parent.glob("*.avro"))) == 1


def test_other_files_beside_dead_letters_elsewhere_are_not_read(
    apart: tuple[Place, Path],
) -> None:
    place, file = apart
    (file.parent / "theirs.avro").write_text("not Avro")
    said = place.do("inspect", "--json")
    assert said.code == 0, said.err
    assert "theirs" not in said.out


def test_a_link_in_place_of_dead_letters_elsewhere_is_refused(apart: tuple[Place, Path]) -> None:
    place, file = apart
    file.rename(file.with_name("moved"))
    file.symlink_to("moved")
    for command in (*_READERS, "replay"):
        said = place.do(command)
        assert said.code == 5
        assert str(file) in said.err
