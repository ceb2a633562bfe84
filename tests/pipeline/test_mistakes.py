"""Mistakes of a new user: each is answered in at most three lines that name what to do."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.command import assert_clear_error, job_status, run, write_events

pytestmark = pytest.mark.usefixtures("no_sync")


@pytest.fixture(scope="module")
def place(no_sync: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of a new user, with files that are not what they seem."""
    place = tmp_path_factory.mktemp("user")
    before = os.getcwd()
    os.chdir(place)
    write_events(place / "events" / "a.jsonl", 0, 2, bad=1)
    (place / "plain").write_text("not a directory")
    (place / "empty").mkdir()
    (place / "mapping.yaml").write_text("labels:\n  opne: [Live]\n")
    (place / "good.yaml").write_text("labels:\n  open: [Live]\n")
    (place / "list.yaml").write_text("- open\n")
    (place / "tabs.yaml").write_text("labels:\n\topen: [Live]\n")
    (place / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"id":"1"}\n' * 999)[:-9])
    (place / "jobs.zip").write_bytes(b"PK\x03\x04" + bytes(40))
    (place / "jobs.csv").write_text("id,status\n1,open\n2,closed\n")
    (place / "latin.yaml").write_bytes(b"labels: {open: [\xe9]}")
    (place / "accounts.csv").write_text("account;provider\n1;lever\n")
    (place / "page.json").write_text('{"data": [{"id": "1", "provider": "lever"}]}')
    (place / "other.avsc").write_text("{")
    assert run("--input", "events/*", "--output", "done", "--run_id", "daily").code == 0
    yield place
    os.chdir(before)


RUN = "run --input events/* --output out"
PUBSUB = "run --input_subscription projects/p/subscriptions/s --output out"

MISTAKES: list[tuple[str, int, str]] = [
    # commands
    ("rnu --input events/* --output out", 2, "did you mean run?"),
    ("--input events/* --output out", 2, "did you mean job-status run"),
    ("events/a.jsonl", 2, "did you mean job-status run --input events/a.jsonl?"),
    ("help rnu", 2, "did you mean run?"),
    ("mapping", 2, "COMMAND"),
    ("mapping explian x", 2, "explain"),
    ("schema", 2, "COMMAND"),
    # what run needs
    ("run", 2, "--input is missing"),
    ("run --input events/*", 2, "--output is missing"),
    ("run --output out", 2, "--input is missing"),
    ("run events/a.jsonl --output out", 2, "did you mean --input events/a.jsonl?"),
    ("run events/a.jsonl", 2, "did you mean --input events/a.jsonl?"),
    ("run --input --output out", 2, "--input"),
    (f"{RUN} stray.jsonl", 2, "put a pattern, or"),
    # options
    (f"{RUN} --ouput x", 2, "did you mean --output?"),
    (f"{RUN} --writemode append", 2, "did you mean --write_mode?"),
    (f"{RUN} --write-mode replace", 2, "'error', 'append', 'overwrite'"),
    (f"{RUN} --output other", 2, "--output is given twice"),
    (f"{RUN} --report a.json --report b.html", 2, "--report is given twice"),
    (f"{RUN} --report report.csv", 2, ".json for programs, .html for people"),
    (f"{RUN} --report report", 2, "neither .json nor .html"),
    (f"{RUN} --dead_letter_output out/job_status/", 2, "choose another directory"),
    (f"{RUN} --dead_letter_output ./out/_staging/x", 2, "choose another directory"),
    ("run --input events/* page.json --output out --report page.json", 2, "would replace"),
    (f"{RUN} --accounts page.json --report ./page.json", 2, "would replace"),
    (f"{RUN} --report out/_manifest/report.json", 2, "among the manifests"),
    (f"{RUN} --codec snappy", 2, "'deflate', 'null'"),
    (f"{RUN} --max_event_bytes lots", 2, "10MB"),
    (f"{RUN} --max_event_bytes 10XB", 2, "10MB"),
    (f"{RUN} --max_event_bytes 0", 2, "at least 1"),
    (f"{RUN} --max_dead_letter_fraction 5", 2, "at most 1"),
    (f"{RUN} --max_dead_letter_fraction few", 2, "5%"),
    (f"{RUN} --direct_num_workers many", 2, "--direct_num_workers"),
    (f"{RUN} --direct_num_workers -1", 2, "at least 0"),
    (f"{RUN} --runner FastRunner", 2, "DirectRunner"),
    (f"{RUN} --run_id 2025/05/01", 2, "letters, digits"),
    (f"{RUN} --max_event_bytes 10 MB", 2, "a value with a space, in quotation marks"),
    (f"{RUN} --assume_timezone -05:00", 2, "--assume_timezone=VALUE"),
    (f"{RUN} --assume_timezone CET+1", 2, "Europe/Paris"),
    (f"{RUN} --provider a\udcff", 2, r"--provider: 'a\xff' is not UTF-8"),
    (f"{RUN} --event_types a\udcff", 2, r"--event_types: 'a\xff' is not UTF-8"),
    (f"{RUN} --debug=maybe", 2, "--debug"),
    (f"{RUN} --drain", 2, "--input_subscription"),
    (f"{RUN} --streaming", 2, "--input_subscription"),
    (f"{RUN} --window_seconds 60", 2, "--streaming"),
    (PUBSUB, 2, "--drain reads the waiting messages"),
    (f"{PUBSUB} --drain --streaming", 2, "either --drain or --streaming"),
    (f"{PUBSUB} --drain --input events/*", 2, "run once for each"),
    (f"{PUBSUB} --drain --write_mode overwrite", 2, "always added"),
    ("run --input_subscription s --drain --output out", 2, "projects/"),
    (f"{PUBSUB} --streaming --window_seconds 60s", 2, "'60s' is not a whole number"),
    # files
    ("run --input missing.jsonl --output out", 3, "--allow_no_input"),
    ("run --input events --output out", 3, "--input 'events/*'"),
    ("run --input ~/missing.jsonl --output out", 3, "~/missing.jsonl"),
    ("run --input jobs.zip --output out", 3, "zip"),
    ("run --input jobs.csv --output out", 3, "CSV"),
    ("run --input cut.jsonl.gz --output out", 3, "--on_damaged_input keep"),
    ("run --input ftp://host/x --output out", 2, "ftp://"),
    ("run --input events/* --output plain", 5, "plain"),
    ("run --input events/* --output plain/below", 5, "choose a directory"),
    ("run --input events/* --output done", 5, "--write_mode append or overwrite"),
    ("run --input events/a* --output done --run_id daily", 2, "choose another --run_id"),
    # mappings and accounts
    (f"{RUN} --mapping missing.yaml", 2, "missing.yaml"),
    (f"{RUN} --mapping mapping.yaml", 2, "mapping.yaml:2"),
    (f"{RUN} --mapping list.yaml", 2, "list.yaml:1"),
    (f"{RUN} --mapping tabs.yaml", 2, "tabs.yaml:2"),
    (f"{RUN} --mapping latin.yaml", 2, "not UTF-8"),
    (f"{RUN} --mapping events", 2, "directory"),
    (f"{RUN} --accounts accounts.csv", 2, "accounts.csv"),
    ("mapping explain", 2, "VALUE"),
    ("mapping suggest good.yaml", 2, "job-status run --report FILE.json"),
    ("mapping lint missing.yaml", 2, "missing.yaml"),
    # the other commands
    ("inspect", 2, "PATH"),
    ("inspect missing", 3, "nothing to inspect"),
    ("inspect empty", 3, "give the directory of an output"),
    ("inspect done --rows -1", 2, "at least 0"),
    ("inspect done --rows many", 2, "'many' is not a whole number"),
    ("inspect done --row 3", 2, "--help"),
    ("dead-letters missing", 3, "give the output of a run"),
    ("dead-letters done --show-payloads", 2, "--help"),
    ("replay done", 2, "--output is missing"),
    ("replay missing --output out", 3, "no dead letters at"),
    ("replay done --output done --provider lever", 2, "--provider"),
    ("schema check other.avsc", 2, "not JSON"),
    ("sample samples --events ten", 2, "'ten' is not a whole number"),
    ("sample samples --bad_fraction few", 2, "5%"),
]


@pytest.mark.parametrize(
    ("command", "code", "part"), MISTAKES, ids=[ascii(row[0]) for row in MISTAKES]
)
def test_a_mistake_is_answered_with_what_to_do(
    place: Path, command: str, code: int, part: str
) -> None:
    assert_clear_error(job_status(*command.split(" ")), code, part)
    assert not any((place / name).exists() for name in ("out", "other", "samples"))


@pytest.mark.parametrize(
    "command",
    [
        "run --input events/* --output written --write-mode=append --max-event-bytes 10MB",
        "run --input events/* --output written --write_mode overwrite "
        "--max_dead_letter_fraction 50%",
        "dead-letters done --show-payload",
        "help",
        "help run",
        "help mapping explain",
    ],
)
def test_what_is_meant_is_understood(place: Path, command: str) -> None:
    said = job_status(*command.split(" "))
    assert said.code == 0, said.err
