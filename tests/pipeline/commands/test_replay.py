"""`job-status replay` writes each repaired event once, as if it had never been a dead letter."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pipeline.commands.run
import transforms.derive.derive_job_status
from pipeline.options.parser import run_parser
from pipeline.runners import run_supervised
from pipeline.sample.write import write_samples
from schemas.errors import OutputError
from tests.conftest import ReadRecords, records_of
from tests.pipeline.command import Said, job_status, run, visible, write_events
from transforms.storage import filesystem

pytestmark = pytest.mark.usefixtures("no_sync")


def replay(*arguments: str | Path) -> Said:
    """Runs `job-status replay` with the arguments."""
    return job_status("replay", *arguments)


def ids(output: Path) -> Counter[str]:
    """Returns the event ids in an output."""
    return Counter(record["event_id"] for record in records_of(output))


def manifests(output: Path) -> list[dict[str, Any]]:
    """Returns the manifests of an output, the oldest first."""
    found = [json.loads(path.read_bytes()) for path in (output / "_manifest").iterdir()]
    return sorted(found, key=lambda manifest: len(manifest["consumed"]))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every format, plain and compressed, with one bad payload in ten."""
    directory = tmp_path_factory.mktemp("samples")
    write_samples(str(directory), events=300, seed=4, bad_fraction=0.1, shapes="all")
    return directory


@pytest.fixture(scope="module")
def whole(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run with the default limit."""
    output = tmp_path_factory.mktemp("whole")
    assert run("--input", f"{samples}/*", "--output", output, "--provider", "lever").code == 0
    return output


@pytest.fixture(scope="module")
def narrow(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run whose limit was too low."""
    output = tmp_path_factory.mktemp("narrow") / "out"
    arguments = ("--input", f"{samples}/*", "--output", output, "--provider", "lever")
    assert run(*arguments, "--max_event_bytes", "600").code == 0
    return output


@pytest.fixture
def output(narrow: Path, tmp_path: Path) -> Path:
    """A copy of the output `narrow`."""
    return Path(shutil.copytree(narrow, tmp_path / "out"))


@pytest.mark.parametrize("workers", [1, 2])
def test_run_and_replay_together_write_the_events_of_one_good_run(
    output: Path, whole: Path, workers: int
) -> None:
    before = ids(output)
    assert 0 < sum(before.values()) < sum(ids(whole).values())
    processes = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    said = replay(output, "--output", output, *(processes if workers == 2 else ()))
    assert said.code == 0, said.err
    assert ids(output) == ids(whole)


def test_records_and_dead_letters_of_a_replay_keep_the_original_source(
    output: Path, whole: Path
) -> None:
    assert replay(output, "--output", output).code == 0

    def origins(place: Path) -> Counter[tuple[str, int, str, str]]:
        return Counter(
            (each["source"], each["source_offset"], each["event_id"], each["provider"])
            for each in records_of(place)
        )

    assert origins(output) == origins(whole)
    again = [each for each in records_of(output, "dead_letter") if each["attempt"] == 1]
    first = records_of(whole, "dead_letter")
    key = ("source", "source_offset", "error_code", "payload", "provider", "account_id")
    assert sorted([str(each[name]) for name in key] for each in again) == sorted(
        [str(each[name]) for name in key] for each in first
    )


def test_a_second_replay_adds_no_event_and_reads_the_letters_of_the_first(
    output: Path, whole: Path
) -> None:
    for attempt in (1, 2, 3):
        said = replay(output, "--output", output)
        # From the second time on, nothing is written.
        assert said.code == (0 if attempt == 1 else 4)
        assert ids(output) == ids(whole)
        attempts = Counter(each["attempt"] for each in records_of(output, "dead_letter"))
        assert max(attempts) == attempt
        assert attempts[attempt] == len(records_of(whole, "dead_letter"))
        assert ("skipped" in said.err) == (attempt > 1)


def test_a_replay_with_no_letters_left_changes_nothing(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3)
    output = tmp_path / "out"
    arguments = ("--input", path, "--output", output, "--max_event_bytes", "20")
    assert run(*arguments).code == 4
    report = tmp_path / "report.json"
    assert replay(output, "--output", output, "--report", report).code == 0
    assert json.loads(report.read_bytes())["written"] == 3
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    said = replay(output, "--output", output, "--report", report)
    assert said.code == 0
    assert "nothing was changed" in said.err and "skipped 1 file" in said.err
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    assert json.loads(report.read_bytes())["read"] == 0


def test_an_output_without_dead_letters_succeeds_and_commits_nothing(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3)
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    assert replay(tmp_path / "out", "--output", tmp_path / "out").code == 0
    assert len(manifests(tmp_path / "out")) == 1


def test_replayed_files_are_recognised_after_the_output_is_moved(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3)
    output = tmp_path / "out"
    assert run("--input", path, "--output", output, "--max_event_bytes", "20").code == 4
    assert replay(output, "--output", output).code == 0
    (name,) = (each for each in visible(output) if each.startswith("dead_letter/"))
    assert manifests(output)[1]["consumed"] == [name]
    moved = output.rename(tmp_path / "moved")
    said = replay(moved, "--output", moved)
    assert "nothing was changed" in said.err


@pytest.mark.parametrize("given", ["output", "directory", "file", "pattern"])
def test_letters_are_found_by_output_directory_file_or_pattern(
    output: Path, whole: Path, tmp_path: Path, given: str
) -> None:
    letters = output / "dead_letter"
    place = {
        "output": output,
        "directory": letters,
        "file": next(letters.iterdir()),
        "pattern": letters / "*",
    }[given]
    other = tmp_path / "other"
    assert replay(place, "--output", other).code == 0
    assert ids(output) + ids(other) == ids(whole)
    assert manifests(other)[0]["consumed"] == sorted(str(path) for path in letters.iterdir())
    said = replay(place, "--output", other)
    assert "nothing was changed" in said.err
    # Another output has not yet consumed them.
    assert replay(place, "--output", output).code == 0
    assert ids(output) == ids(whole)


def test_letters_outside_the_output_are_found_by_its_manifest(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3)
    output, letters = tmp_path / "out", tmp_path / "letters"
    places = ("--output", output, "--dead_letter_output", letters)
    assert run("--input", path, *places, "--max_event_bytes", "20").code == 4
    assert replay(output, *places).code == 0
    assert sum(ids(output).values()) == 3
    assert "nothing was changed" in replay(letters, *places).err


def test_payloads_that_the_letters_do_not_hold_are_read_from_the_source(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in" / "a.jsonl", 0, 20)
    packed = tmp_path / "in" / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(write_events(tmp_path / "b.jsonl", 20, 20).read_bytes()))
    output = tmp_path / "out"
    policy = ("--dead_letter_payload", "hash")
    arguments = ("--input", f"{path.parent}/*", "--output", output, *policy)
    assert run(*arguments, "--max_event_bytes", "20").code == 4
    packed.rename(tmp_path / "elsewhere")
    assert replay(output, "--output", output, *policy).code == 0
    assert sum(ids(output).values()) == 20
    (tmp_path / "elsewhere").rename(packed)
    assert replay(output, "--output", output, *policy).code == 0
    assert sum(ids(output).values()) == 40
    assert "nothing was changed" in replay(output, "--output", output).err


def test_events_lost_to_a_bug_are_written_once_the_bug_is_fixed(
    samples: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = transforms.derive.derive_job_status.job_status

    def broken(combination: Any, deriver: Any) -> Any:
        if combination.provider == "ashby":
            raise ZeroDivisionError
        return real(combination, deriver)

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(transforms.derive.derive_job_status, "job_status", broken)
        said = run("--input", f"{samples}/*", "--output", output, "--provider", "lever")
    assert said.code == 0
    letters = records_of(output, "dead_letter")
    assert sum(each["error_code"] == "INTERNAL" for each in letters) > 1
    assert replay(output, "--output", output).code == 0
    assert ids(output) == ids(whole)


def test_envelopes_without_a_job_give_the_same_records_as_a_good_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = '{"event":"ats_jobs.deleted","provider":"lever","record_id":"%d","event_data":%s}'
    held = ["[]", "{ }", "null", '[{"data":[]}]', "[null]", '[],"data":[{"id":"a"},5]']
    path = tmp_path / "in.jsonl"
    path.write_text("".join(envelope % each + "\n" for each in enumerate(held)))
    arguments = ("--input", path, "--max_dead_letter_fraction", "1", "--output")
    assert run(*arguments, tmp_path / "whole").code == 0

    def broken(combination: Any, deriver: Any) -> Any:
        raise ZeroDivisionError

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(transforms.derive.derive_job_status, "job_status", broken)
        assert run(*arguments, output).code == 4
    codes = Counter(each["error_code"] for each in records_of(output, "dead_letter"))
    assert codes == {"INTERNAL": 5, "WRONG_TYPE": 2}
    assert replay(output, "--output", output).code == 0
    assert ids(output) == ids(tmp_path / "whole")
    assert sum(ids(output).values()) == 5


def test_a_payload_starts_at_its_offset_in_the_source(output: Path) -> None:
    letters = [each for each in records_of(output, "dead_letter") if each["payload"] is not None]
    contents: dict[str, bytes] = {}
    for letter in letters:
        source = letter["source"]
        if source not in contents:
            data = Path(source).read_bytes()
            contents[source] = gzip.decompress(data) if source.endswith(".gz") else data
        assert contents[source][letter["source_offset"] :].startswith(letter["payload"])
    assert any(source.endswith(".gz") for source in contents)
    assert any(letter["payload_truncated"] for letter in letters)


# Faults


def _cut_between_blocks(path: Path) -> None:
    """Removes the last block of a file with several blocks."""
    data = path.read_bytes()
    sync = data[-16:]
    path.write_bytes(data[: data.rindex(sync, 0, len(data) - 16) + 16])


@pytest.mark.parametrize("as_directory", [False, True])
def test_a_file_truncated_between_two_blocks_commits_nothing(
    output: Path, as_directory: bool
) -> None:
    (path,) = (output / "dead_letter").iterdir()
    _cut_between_blocks(path)
    before = visible(output)
    said = replay(path.parent if as_directory else output, "--output", output)
    assert said.code == 3, said.err
    assert str(path) in said.err and "manifest says" in said.err
    assert len(said.err.splitlines()) <= 3
    assert visible(output) == before


def test_a_damaged_file_is_not_recorded_as_replayed(output: Path) -> None:
    (path,) = (output / "dead_letter").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    said = replay(output, "--output", output, "--on_damaged_input", "keep")
    assert said.code == 3
    assert "damaged" in said.err
    manifest = max(manifests(output), key=lambda each: each["committed_at"])
    assert [each["damaged"] for each in manifest["inputs"]] in ([True], [False])
    assert all(not each["consumed"] for each in manifests(output))


def test_a_missing_file_that_a_manifest_lists_is_reported(output: Path) -> None:
    (path,) = (output / "dead_letter").iterdir()
    path.unlink()
    said = replay(output, "--output", output)
    assert said.code == 3
    assert str(path) in said.err


def test_a_replay_interrupted_while_committing_is_completed_and_not_repeated(
    output: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise OutputError("cannot rename: Input/output error")

    before = ids(output)
    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "rename", refuse)
        assert replay(output, "--output", output).code == 5
    assert ids(output) == before
    (first,) = (path for path in (output / "dead_letter").iterdir())
    said = replay(first, "--output", output)
    assert said.code == 0
    assert "completed the run" in said.err and "nothing was changed" in said.err
    assert ids(output) == ids(whole)


def test_two_concurrent_replays_do_not_write_an_event_twice(
    output: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*given: Any, **more: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(pipeline.commands.run, "run_supervised", run_supervised)
            assert replay(output, "--output", output).code == 0
        run_supervised(*given, **more)

    monkeypatch.setattr(pipeline.commands.run, "run_supervised", overtaken)
    said = replay(output, "--output", output)
    assert said.code == 5
    assert "meanwhile" in said.err
    assert ids(output) == ids(whole)


def test_replayed_files_may_be_deleted(output: Path) -> None:
    (path,) = (output / "dead_letter").iterdir()
    assert replay(output, "--output", output).code == 0
    path.unlink()
    assert replay(output, "--output", output).code == 4
    assert job_status("dead-letters", output).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere", "--output", "out"), 3, "no dead letters at"),
        (("--output", "out"), 2, "DEAD_LETTERS"),
        (("somewhere",), 2, "--output is missing"),
        (("x", "--output", "out", "--max_event_byte", "5"), 2, "did you mean --max_event_bytes?"),
        (("x", "--output", "out", "--provider", "lever"), 2, "--provider"),
        (("x", "--output", "out", "--write_mode", "overwrite"), 2, "overwrite"),
        (("x", "--output", "out", "--max_event_bytes", "0"), 2, "at least 1"),
    ],
)
def test_a_wrong_command_line_is_reported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = replay(*arguments)
    assert (said.code, message in said.err) == (code, True), said.err
    assert len(said.err.splitlines()) <= 3


def test_write_mode_error_refuses_an_output_with_a_run(output: Path) -> None:
    said = replay(output, "--output", output, "--write_mode", "error")
    assert said.code == 5


def test_a_committed_run_id_is_not_repeated(output: Path, read_records: ReadRecords) -> None:
    for _ in range(2):
        assert replay(output, "--output", output, "--run_id", "again").code == 0
    assert max(each["attempt"] for each in read_records(output, "dead_letter")) == 1


def test_the_help_lists_only_the_options_of_a_replay() -> None:
    text = run_parser("replay").format_help()
    assert "--max_event_bytes" in text
    assert "--account_id" not in text and "overwrite" not in text


def test_a_replay_checks_the_runner_before_it_touches_the_output(output: Path) -> None:
    before = visible(output)
    said = replay(output, "--output", output, "--runner=PrismRunner", "--prism_location=nowhere")
    assert said.code == 2
    assert "--prism_location FILE" in said.err
    assert visible(output) == before
