"""The command reports errors in at most three lines, and never prints a value of the data."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas.version import PIPELINE_VERSION
from tests.conftest import ReadRecords
from tests.pipeline.command import (
    Said,
    assert_clear_error,
    job_status,
    run,
    visible,
    write_events,
)
from transforms.local.install_hint import install_beam_extra

pytestmark = pytest.mark.usefixtures("no_sync")

CANARY = "canary-4711"


class Place(NamedTuple):
    """Paths of files; some of them cannot be used."""

    events: Path
    output: Path
    directory: Path
    plain: Path
    loop: Path
    bad_mapping: Path

    @property
    def usual(self) -> tuple[str, ...]:
        """Returns arguments of a run that succeeds."""
        return self.usual_but()

    def usual_but(self, option: str = "", *values: str | Path) -> tuple[str, ...]:
        """Returns the same arguments with other values for an option."""
        given: dict[str, list[str]] = {
            "--input": [str(self.events)],
            "--output": [str(self.output)],
        }
        if option:
            given[option] = [str(value) for value in values]
        return tuple(word for name, words in given.items() for word in (name, *words))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A file of events, and paths that cannot be used."""
    directory = tmp_path / "directory"
    directory.mkdir()
    plain = tmp_path / "plain"
    plain.write_text("not a directory")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("labels: [}")
    events = write_events(tmp_path / "in" / "events.jsonl", 0, 2)
    return Place(events, tmp_path / "out", directory, plain, loop, mapping)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--outptu", "x"], ["--outptu", "did you mean --output?"]),
        (["--ouput=x"], ["did you mean --output?"]),
        (["--worker_machine_typ", "x"], ["did you mean --worker_machine_type?"]),
        (["--zzz"], ["unknown option --zzz"]),
        (["--mapping"], ["--mapping", "expected one argument"]),
        (["--target_file_bytes", "many"], ["--target_file_bytes", "'many'"]),
        (["--target_file_bytes", "0"], ["--target_file_bytes is 0", "at least 1"]),
        (["--max_event_bytes", "-1"], ["--max_event_bytes"]),
        (["--max_dead_letter_fraction", "1.5"], ["at most 1"]),
        (["--max_dead_letter_fraction", "nan"], ["--max_dead_letter_fraction"]),
        (["--direct_num_workers", "two"], ["--direct_num_workers"]),
        (["--codec", "snappy"], ["snappy", "deflate"]),
        (["--write_mode", "replace"], ["replace", "overwrite"]),
        (["--on_damaged_input", "skip"], ["skip", "keep"]),
        (["--assume_timezone", "Mars/Base"], ["--assume_timezone Mars/Base", "Europe/Paris"]),
        (["--assume_timezone=+25:00"], ["--assume_timezone +25:00"]),
        (["--run_id", "../x"], ["--run_id"]),
        (["--run_id", "a/b"], ["--run_id"]),
        (["--run_id", ""], ["--run_id"]),
        (["--run_id", "."], ["--run_id"]),
        (["--run_id", "a\0b"], ["--run_id"]),
        (["--run_id", "a b"], ["--run_id"]),
        (["--run_id", "a*"], ["--run_id"]),
        (["--run_id", "é"], ["--run_id"]),
        (["--run_id", "x" * 101], ["--run_id"]),
        (["--run_id", "x.pending"], ["--run_id"]),
        (["--runner", "NoSuchRunner"], ["NoSuchRunner"]),
        (["stray.jsonl"], ["stray.jsonl"]),
    ],
)
def test_a_mistake_in_the_arguments_is_reported(
    place: Place, arguments: list[str], parts: list[str]
) -> None:
    assert_clear_error(run(*place.usual, *arguments), 2, *parts)
    assert not place.output.exists() or visible(place.output) == []


def test_a_missing_option_is_named(place: Place) -> None:
    assert_clear_error(run(), 2, "--input is missing")
    assert_clear_error(run("--input", place.events), 2, "--output is missing")
    assert_clear_error(run("--input", place.events, "--output"), 2, "--output")


def test_an_unknown_command_is_reported_with_the_nearest_one() -> None:
    assert_clear_error(job_status("rnu"), 2, "'rnu'", "did you mean run?")
    assert_clear_error(job_status("frobnicate"), 2, "--help")


def test_a_pattern_that_matches_nothing_is_named(place: Place) -> None:
    missing = place.directory / "none*.jsonl"
    said = run("--input", missing, "--output", place.output)
    assert_clear_error(said, 3, str(missing), "--allow_no_input")
    # A pattern that matches does not hide one that does not.
    said = run("--input", place.events, "--input", missing, "--output", place.output)
    assert_clear_error(said, 3, str(missing))


def test_a_directory_as_input_is_reported_with_a_hint(place: Place) -> None:
    said = run("--input", place.directory, "--output", place.output)
    assert_clear_error(said, 3, str(place.directory), "directory", "/*'")


def test_a_directory_that_a_pattern_matches_is_skipped_with_a_message(
    place: Place, read_records: ReadRecords
) -> None:
    (place.events.parent / "more").mkdir()
    said = run("--input", f"{place.events.parent}/*", "--output", place.output)
    assert said.code == 0
    assert f"skipped {place.events.parent}/more" in said.err
    assert len(read_records(place.output)) == 2


def test_a_pattern_that_the_shell_expanded_is_read(place: Place, read_records: ReadRecords) -> None:
    more = write_events(place.events.parent / "more.jsonl", 5, 2)
    assert run("--input", place.events, more, "--output", place.output).code == 0
    assert len(read_records(place.output)) == 4


def test_a_stray_argument_gives_a_hint_about_quotation_marks(place: Place) -> None:
    said = run("--output", place.output, "--input", place.events, "--codec", "null", "b.jsonl")
    assert_clear_error(said, 2, "b.jsonl", "quotation marks")


def test_an_unreadable_input_is_named(place: Place) -> None:
    said = run("--input", place.loop, "--output", place.output)
    assert_clear_error(said, 3, str(place.loop), "symbolic links")


@pytest.mark.parametrize("option", ["--output", "--dead_letter_output"])
@pytest.mark.parametrize("where", ["plain", "loop"])
def test_an_unwritable_output_is_reported_before_anything_is_written(
    place: Place, option: str, where: str
) -> None:
    path = f"{getattr(place, where)}/below"
    said = run(*place.usual_but(option, path))
    assert_clear_error(said, 5, path)
    assert not place.output.exists() or visible(place.output) == []


@pytest.mark.parametrize("option", ["--output", "--dead_letter_output"])
def test_an_output_that_is_a_loop_of_links_is_reported(place: Place, option: str) -> None:
    assert_clear_error(
        run(*place.usual_but(option, place.loop)), 5, str(place.loop), "symbolic links"
    )


@pytest.mark.parametrize(
    ("mapping", "part"), [("bad_mapping", "mapping.yaml:1"), ("directory", "directory")]
)
def test_an_unusable_mapping_is_reported(place: Place, mapping: str, part: str) -> None:
    said = run(*place.usual, "--mapping", getattr(place, mapping))
    assert_clear_error(said, 2, part)
    assert_clear_error(run(*place.usual, "--mapping", place.plain / "x"), 2, "mapping", "plain/x")


@pytest.mark.parametrize("option", ["--input", "--output", "--dead_letter_output", "--mapping"])
def test_an_unknown_scheme_is_reported(place: Place, option: str) -> None:
    assert_clear_error(run(*place.usual_but(option, "ftp://host/x")), 2, "ftp://")


@pytest.mark.parametrize(
    ("scheme", "extra", "module"),
    [("gs", "gcp", "google.cloud.storage"), ("s3", "aws", "boto3")],
)
@pytest.mark.parametrize("option", ["--input", "--output"])
def test_a_scheme_without_its_library_is_reported_with_the_extra_to_install(
    place: Place, scheme: str, extra: str, module: str, option: str
) -> None:
    try:
        is_installed = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        is_installed = False
    if is_installed:
        pytest.skip(f"{module} is installed")
    said = run(*place.usual_but(option, f"{scheme}://bucket/x"))
    assert_clear_error(said, said.code, f"{scheme}://", install_beam_extra(extra))
    assert said.code in (2, 3, 5)


def test_the_directory_of_a_report_is_created(place: Place) -> None:
    report = place.directory / "new" / "report.json"
    assert run(*place.usual, "--report", report).code == 0
    assert json.loads(report.read_bytes())["written"] == 2


def test_an_unwritable_report_is_reported(place: Place) -> None:
    said = run(*place.usual, "--report", place.plain / "report.json")
    assert said.code == 5
    assert "report" in said.err
    assert len(said.err.splitlines()) <= 3
    assert "Traceback" not in said.err


def test_the_help_and_the_version_are_printed() -> None:
    said = job_status("run", "--help")
    assert said.code == 0
    for option in ("--input", "--write_mode", "--target_file_bytes", "--on_damaged_input"):
        assert option in said.out
    assert job_status("--help").code == 0
    assert "run" in job_status("--help").out
    assert job_status("--version").out == f"{PIPELINE_VERSION}\n"
    # As `python -m pipeline --version` calls it.
    assert job_status("run", "--version").out == f"{PIPELINE_VERSION}\n"
    assert job_status().code == 2


# The canary is in values, in lines that are not JSON, and in types of events.


def _write_canaries(path: Path) -> Path:
    lines = [
        '{"event":"ats_jobs.updated","event_data":{"id":"%s","job_status":{"source_value":"%s"}}}',
        '{"event":"%s","event_data":{}}',
        '{"event":"ats_jobs.updated","event_data":{"id":["%s"]}}',
        '{"event":"ats_jobs.updated","event_date":"%s","event_data":{"status":"%s"}}',
        "%s",
        '["%s"]',
        '{"event":"[/%s]"}',
    ]
    path.write_text("".join(line.replace("%s", CANARY) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--max_dead_letter_fraction", "0"),
        ("--runner=BundleBasedDirectRunner",),
        ("--dead_letter_payload", "hash"),
    ],
)
def test_no_value_of_the_data_is_printed(
    tmp_path: Path, read_records: ReadRecords, arguments: tuple[str, ...]
) -> None:
    path = _write_canaries(tmp_path / "in.jsonl")
    said = run("--input", path, "--output", tmp_path / "out", *arguments)
    assert said.code == (4 if "--max_dead_letter_fraction" in arguments else 0)
    assert CANARY not in said.out + said.err
    letters = read_records(tmp_path / "out", "dead_letter")
    assert len(letters) == 3
    assert all(CANARY not in str(each["error_message"]) for each in letters)
    manifest = next((tmp_path / "out" / "_manifest").iterdir()).read_text()
    assert CANARY in manifest


def test_no_value_of_the_data_is_printed_after_an_unexpected_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transforms.write.stager import Stager

    def broken(self: Stager, block: object) -> None:
        raise ValueError(f"cannot write {CANARY}")

    monkeypatch.setattr(Stager, "add", broken)
    path = _write_canaries(tmp_path / "in.jsonl")
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 1
    assert CANARY not in said.out + said.err
    assert len(said.err.splitlines()) <= 3
    assert visible(tmp_path / "out") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["validate", "--help"],
        ["replay", "--help"],
        ["dead-letters", "--help"],
        ["sample", "--help"],
        ["mapping", "suggest", "--help"],
        ["inspect", "--help"],
        ["schema", "--help"],
        ["run", "events.jsonl", "--output", "out"],
        ["run", "--output", "out", "--codec", "snappy"],
    ],
    ids=" ".join,
)
def test_help_and_usage_errors_do_not_load_beam(arguments: list[str]) -> None:
    script = "import sys; from pipeline.entry import main; code = main(sys.argv[1:]); "
    script += "print(code, {'apache_beam', 'pyarrow'} & sys.modules.keys())"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    code = 0 if "--help" in arguments else 2
    assert done.stdout.splitlines()[-1] == f"{code} set()", done.stderr


# The installed command in its own process.


def _process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "job-status")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_the_installed_command_prints_only_the_summary_on_stderr(
    place: Place, read_records: ReadRecords
) -> None:
    done = _process("run", *place.usual)
    assert done.returncode == 0
    assert done.stdout == ""
    assert len(read_records(place.output)) == 2
    assert [line.split()[:2] for line in done.stderr.splitlines()[:2]] == [
        ["read", "2"],
        ["written", "2"],
    ]
    # Nothing else is printed: no warnings of the runner, and no colours outside a terminal.
    words = ("read", "written", "dead-lettered", "ignored", "unmapped", "job_status")
    # A folded path continues after spaces.
    assert all(line.startswith((*words, " ")) for line in done.stderr.splitlines())
    assert "\x1b" not in done.stderr


def test_the_installed_command_exits_with_the_code_of_its_error(place: Place) -> None:
    done = _process("run", *place.usual, "--outptu", "x")
    assert_clear_error(Said(done.returncode, done.stdout, done.stderr), 2, "did you mean --output?")


def test_python_m_pipeline_starts_a_run(place: Place, read_records: ReadRecords) -> None:
    command = [sys.executable, "-m", "pipeline", *place.usual]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=root)
    assert done.returncode == 0, done.stderr
    assert len(read_records(place.output)) == 2


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize(
    "runner",
    [(), ("--direct_running_mode=multi_processing", "--direct_num_workers=2")],
    ids=["one process", "worker processes"],
)
def test_a_full_output_is_reported_and_left_empty(tmp_path: Path, runner: tuple[str, ...]) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3000)
    output = tmp_path / "out"
    done = _process(
        *("run", "--codec", "null", *runner),
        *("--input", path, "--output", output),
        preexec_fn=_limit_files,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert_clear_error(said, 5, "cannot write", str(output), "File too large")
    assert visible(output) == []
    assert not (output / "_staging").exists()
