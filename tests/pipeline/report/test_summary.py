"""The summary of a run fits a terminal, keeps data out of logs, and suggests what to do next."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct
from rich.cells import cell_len
from rich.console import Console

from pipeline.options.run_options import RunOptions
from pipeline.report.next_steps import NextStep, next_steps
from pipeline.report.summary import print_summary
from schemas.manifest import Input, Manifest, OutputFile, Unmapped
from tests.pipeline.command import job_status, run, write_events

OPTIONS = RunOptions(input=["in/*"], output="out")

MANY = Manifest(
    run_id="run",
    read=6_000,
    written=3_000,
    dead_lettered=2_000,
    ignored=1_000,
    by_value={"open": 2_990, "null": 10},
    by_derivation={"unmapped": 7, "given": 2_993},
    by_error_code={"INVALID_JSON": 1_500, "TOO_LARGE": 500},
    ignored_by_type={f"canary.{number}": 100 for number in range(10)},
    unmapped=[Unmapped("canary", "canary text", 5), Unmapped(None, "canary alone", 2)],
    unreadable_timestamps=3,
    accounts_without_provider={"canary 17": 3, "null": 1},
    providers_without_table={"canary": 5},
    files=[OutputFile("/a/job_status/x.avro", 3_000, 12_345, "", "job_status")],
    duration_seconds=20.0,
    events_per_second=300,
)


def _printed(
    report: Manifest, options: RunOptions = OPTIONS, terminal: bool = False, width: int = 80
) -> str:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, width=width, color_system=None, highlight=False
    )
    print_summary(report, options, console)
    return file.getvalue()


_text = st.text(max_size=30) | st.sampled_from(["中" * 60, "/long" * 40, "[red]", "a b " * 30])
_counts = st.dictionaries(_text, st.integers(0, 10**12), max_size=30)


@settings(max_examples=25)
@given(
    st.builds(
        Manifest,
        run_id=_text,
        by_value=_counts,
        by_error_code=_counts | st.just({"TOO_LARGE": 1}),
        ignored_by_type=_counts,
        dead_lettered=st.integers(0, 3),
        unreadable_timestamps=st.integers(0, 3),
        unmapped=st.lists(st.builds(Unmapped, st.none() | _text, _text, st.just(1)), max_size=9),
        inputs=st.lists(st.builds(Input, _text, st.just(1), st.booleans()), max_size=3),
        files=st.lists(
            st.builds(
                OutputFile,
                _text,
                st.just(1),
                st.just(1),
                st.just(""),
                st.sampled_from(["job_status", "dead_letter"]),
            ),
            max_size=3,
        ),
        read=st.integers(0, 10**13),
    ),
    st.builds(
        RunOptions,
        input=st.just(["x"]),
        output=_text,
        report=st.none() | _text,
        mapping=st.lists(_text, max_size=2),
    ),
    st.booleans(),
)
def test_no_line_is_wider_than_80_columns(
    report: Manifest, options: RunOptions, terminal: bool
) -> None:
    for line in _printed(report, options, terminal, 200).splitlines():
        assert cell_len(line) <= 80


def test_the_summary_fits_a_narrow_terminal() -> None:
    text = _printed(MANY, terminal=True, width=50)
    assert all(cell_len(line.rstrip()) <= 50 for line in text.splitlines())


def test_texts_of_the_data_are_printed_only_on_a_terminal() -> None:
    assert "canary" not in _printed(MANY)
    shown = _printed(MANY, terminal=True)
    assert "canary text of canary 5" in " ".join(shown.split())
    assert "canary.0 100" in shown


def test_control_characters_of_the_data_are_escaped() -> None:
    name = "\x1b]0;title\x07\u202e"
    report = Manifest(
        run_id="run",
        ignored=1,
        ignored_by_type={name: 1},
        by_derivation={"unmapped": 1},
        unmapped=[Unmapped(name, name, 1)],
    )
    shown = _printed(report, terminal=True)
    assert r"\x1b]0;title\x07\u202e" in "".join(shown.split())
    options = replace(OPTIONS, output=name, report=name)
    files = [OutputFile(f"/{name}/x.avro", 1, 1, "", "job_status")]
    shown += _printed(replace_struct(report, files=files, dead_lettered=1), options, terminal=True)
    assert not {"\x07", "\u202e"} & set(shown)


def test_many_names_are_truncated_and_the_rest_is_counted() -> None:
    codes = {f"CODE_{number}": 100 - number for number in range(20)}
    assert "CODE_11 89, and 8 more" in " ".join(
        _printed(Manifest(run_id="run", by_error_code=codes)).split()
    )


def test_no_color_turns_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        file = io.StringIO()
        print_summary(MANY, OPTIONS, Console(file=file, force_terminal=True, width=80))
        return file.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in printed()


def test_the_summary_has_the_directory_of_the_files_and_the_speed() -> None:
    text = " ".join(_printed(MANY).split())
    assert "read 6,000 20.0 s, 300 events/s" in text
    assert "job_status 1 file, 12.3 kB, in /a/job_status" in text


def test_a_run_of_a_few_seconds_has_no_rate() -> None:
    short = replace_struct(MANY, duration_seconds=2.0)
    assert "events/s" not in _printed(short)


def test_a_name_and_its_count_are_on_one_line() -> None:
    counts = {f"CODE_NUMBER_{number}": 1_000 + number for number in range(12)}
    shown = _printed(Manifest(run_id="run", by_error_code=counts))
    assert all(f"{name} {count:,}" in shown for name, count in counts.items())


def test_no_line_ends_with_a_blank() -> None:
    assert [line for line in _printed(MANY).splitlines() if line.endswith(" ")] == []


def test_events_that_a_rule_maps_to_unmapped_value_are_counted_apart() -> None:
    report = Manifest(run_id="run", by_value={"unmapped_value": 66}, by_derivation={"unmapped": 65})
    shown = " ".join(_printed(report).split())
    assert "unmapped 66 65 without a rule, 1 mapped to unmapped_value" in shown


def test_jobs_and_postings_are_counted_apart_if_there_are_both() -> None:
    both = Manifest(run_id="run", by_record_type={"job": 1_200, "job_posting": 3})
    assert "job 1,200, job_posting 3" in _printed(both)
    assert "job" not in _printed(Manifest(run_id="run", by_record_type={"job": 3}))


def test_a_run_without_problems_suggests_nothing() -> None:
    fine = Manifest(run_id="run", read=1, written=1, by_value={"open": 1})
    assert list(next_steps(fine, OPTIONS)) == []
    assert "next" not in _printed(fine)


def _steps(options: RunOptions = OPTIONS, **changes: object) -> list[NextStep]:
    report = Manifest(run_id="run")
    for name, value in changes.items():
        setattr(report, name, value)
    return list(next_steps(report, options))


UNMAPPED = [Unmapped("lever", "?", 1)]


def test_unmapped_events_suggest_a_mapping_from_the_report() -> None:
    (step,) = _steps(replace(OPTIONS, report="r.json"), unmapped=UNMAPPED)
    assert (step.command, step.target) == (
        ("job-status", "mapping", "suggest", "r.json"),
        "my_mapping.yaml",
    )


def test_a_suggestion_asks_only_for_what_is_new_and_keeps_the_mapping_in_use() -> None:
    options = replace(OPTIONS, report="r.json", mapping=["./my_mapping.yaml"])
    (step,) = _steps(options, unmapped=UNMAPPED)
    assert step.command[3:] == ("r.json", "--mapping", "./my_mapping.yaml")
    assert step.target == "my_mapping_2.yaml"


@pytest.mark.parametrize("report", [None, "r.html"])
def test_without_a_json_report_the_mapping_is_suggested_from_the_manifest(
    report: str | None,
) -> None:
    (step,) = _steps(replace(OPTIONS, report=report), unmapped=UNMAPPED)
    assert step.command == ("job-status", "mapping", "suggest", "out/_manifest/run.json")


def test_for_messages_which_have_many_manifests_a_report_is_suggested() -> None:
    options = RunOptions(input_subscription="projects/p/subscriptions/s", drain=True, output="out")
    (step,) = _steps(options, unmapped=UNMAPPED)
    assert not step.command
    assert "--report FILE.json" in step.text


def test_accounts_without_a_provider_suggest_a_table_of_accounts() -> None:
    (step,) = _steps(accounts_without_provider={"17": 1_000, "18": 234})
    assert step.text.startswith("1,234 events with an account, but without a provider")
    assert "--accounts FILE" in step.text


def test_events_without_a_provider_and_an_account_suggest_the_provider() -> None:
    (step,) = _steps(accounts_without_provider={"null": 2})
    assert step.text.startswith("2 events with neither a provider nor an account")
    assert "--provider NAME" in step.text


def test_providers_without_a_table_suggest_another_name_in_a_mapping() -> None:
    (step,) = _steps(providers_without_table={"greenhouze": 5, "acme": 1})
    assert step.text.startswith("2 providers without a table")
    assert step.command == ("job-status", "mapping", "print")


def test_the_summary_counts_events_without_an_id_a_status_or_a_time_and_where_they_are_read() -> (
    None
):
    report = Manifest(
        run_id="run", without_job_id=281, by_derivation={"absent": 13}, by_day={"null": 30}
    )
    shown = " ".join(_printed(report).split())
    assert "no job id 281 it is read from id, record_id" in shown
    assert "no status 13 it is read from job_status, status" in shown
    assert "no time 30 it is read from event_date, updated_at, created_at" in shown


def test_the_summary_counts_events_without_a_provider_and_without_a_table() -> None:
    shown = " ".join(_printed(MANY, terminal=True).split())
    assert "no provider 4 accounts: canary 17 3, null 1" in shown
    assert "no table 5 canary 5" in shown


def test_unreadable_timestamps_are_described_by_their_most_frequent_shapes() -> None:
    shapes = {"9": 1, "9999-99-99": 7, "aaaa": 2, "9999-99-99a99:99": 3}
    (step,) = _steps(unreadable_timestamps=13, unreadable_by_field={"created_at": shapes})
    assert step.text == (
        "13 timestamps not readable, and null, such as created_at 9999-99-99 (7), "
        "created_at 9999-99-99a99:99 (3), created_at aaaa (2): they need RFC 3339 with an offset"
    )


def test_a_missing_offset_suggests_to_assume_a_time_zone() -> None:
    shapes = {"event_date": {"9999-99-99 99:99:99.999": 1}}
    (step,) = _steps(unreadable_timestamps=1, unreadable_by_field=shapes)
    assert "--assume_timezone" in step.text


def test_timestamps_in_the_assumed_time_zone_are_counted_in_the_summary() -> None:
    report = Manifest(run_id="run", assumed_timezone=1_234)
    text = " ".join(_printed(report, replace(OPTIONS, assume_timezone="Asia/Tokyo")).split())
    assert "assumed zone 1,234 timestamps without an offset, in Asia/Tokyo" in text


def test_events_that_were_too_large_are_replayed_with_the_options_of_the_run() -> None:
    options = replace(
        OPTIONS,
        mapping=["m.yaml", "n.yaml"],
        accounts="a.csv",
        assume_timezone="-05:00",
        dead_letter_output="d",
        event_types=["a.*", "b"],
    )
    codes = {"TOO_LARGE": 1}
    *_, step = _steps(options, dead_lettered=1, by_error_code=codes, largest_payload=10**8)
    assert step.command == [
        *("job-status", "replay", "out", "--output", "out", "--max_event_bytes", "100000000"),
        *("--event_types", "a.*", "b", "--accounts", "a.csv", "--assume_timezone=-05:00"),
        *("--dead_letter_output", "d", "--mapping", "m.yaml", "--mapping", "n.yaml"),
    ]


@pytest.mark.parametrize(
    ("largest", "limit"), [(20_000_000, "20000000"), (20_000_001, "30000000"), (99, "100")]
)
def test_the_suggested_limit_covers_the_largest_payload(largest: int, limit: str) -> None:
    codes = {"TOO_LARGE": 1}
    *_, step = _steps(dead_lettered=1, by_error_code=codes, largest_payload=largest)
    assert limit in step.command


@pytest.mark.parametrize(
    "options",
    [
        replace(OPTIONS, dead_letter_payload="none"),
        RunOptions(input_subscription="projects/p/subscriptions/s", drain=True, output="out"),
    ],
)
def test_truncated_payloads_without_a_source_are_not_replayed(options: RunOptions) -> None:
    steps = _steps(options, dead_lettered=1, by_error_code={"TOO_LARGE": 1})
    assert [step.command for step in steps] == [("job-status", "dead-letters", "out")]


@pytest.mark.parametrize(
    ("mode", "hint"), [("error", "--write_mode overwrite"), ("append", "run again over them")]
)
def test_damaged_inputs_come_first(mode: str, hint: str) -> None:
    options = replace(OPTIONS, write_mode=mode)  # type: ignore[arg-type]
    inputs = [Input("a", 1), Input("b.gz", 1, damaged=True), Input("c.gz", 1, damaged=True)]
    first, *_ = _steps(options, inputs=inputs, dead_lettered=1)
    assert "2 inputs damaged (the first: b.gz)" in first.text
    assert hint in first.text


def test_a_path_that_is_not_printable_gives_no_command() -> None:
    assert "job-status dead-letters" not in _printed(
        Manifest(run_id="run", dead_lettered=1), replace(OPTIONS, output="a\x1b[2Jb")
    )


def test_the_printed_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_events(tmp_path / "in.jsonl", 0, 3, bad=1)
    text = path.read_text()
    strange = text.splitlines()[0].replace("published", "no such status").replace("2025", "soon")
    path.write_text(f"{text}{strange}\n{'x' * 2_000}\n")
    arguments = ("--input", "in.jsonl", "--output", "my out", "--max_event_bytes", "1000")
    done = run(*arguments, "--report", "r.json")
    assert done.code == 0
    lines = done.err.partition("what to do next")[2].replace("\\\n", " ").splitlines()
    commands = [line.strip() for line in lines if line.startswith("  ")]
    assert commands == [
        "job-status dead-letters 'my out'",
        "job-status replay 'my out' --output 'my out' --max_event_bytes 2000",
        "job-status mapping suggest r.json > my_mapping.yaml",
        "job-status inspect 'my out' --rows 100",
    ]
    for step in next_steps(
        Manifest.from_json(Path("r.json").read_bytes()),
        RunOptions(input=["in.jsonl"], output="my out", max_event_bytes=1000, report="r.json"),
    ):
        # The replayed letters become dead letters again, as they are not JSON.
        assert job_status(*step.command[1:]).code == (4 if "replay" in step.command else 0)
