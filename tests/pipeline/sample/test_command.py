"""`job-status sample` writes the files and prints the result that a run over them must have."""

from __future__ import annotations

from pathlib import Path

from pipeline.sample.write import write_samples
from tests.pipeline.command import job_status


def test_the_command_passes_its_options_and_prints_files_and_counts(tmp_path: Path) -> None:
    options = ("--events", "200", "--seed", "3", "--bad_fraction", "0.1", "--shapes", "lines")
    done = job_status("sample", tmp_path / "a", *options)

    counts = write_samples(
        str(tmp_path / "b"), events=200, seed=3, bad_fraction=0.1, shapes="lines"
    )
    assert done.code == 0
    assert done.out == f"{tmp_path}/a/events.jsonl\n"
    assert "a run over them reads 200: 180 written, 20 dead-lettered, 0 ignored" in done.err
    assert (counts.read, counts.events, counts.bad, counts.ignored) == (200, 180, 20, 0)
    written = (tmp_path / "a" / "events.jsonl").read_bytes()
    assert written == (tmp_path / "b" / "events.jsonl").read_bytes()


def test_a_file_in_place_of_the_directory_has_the_exit_code_of_an_output_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    done = job_status("sample", tmp_path / "file" / "below")
    assert done.code == 5
    assert "Cannot write samples" in done.err
