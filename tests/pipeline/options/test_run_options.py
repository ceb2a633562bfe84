"""The options are defined once; the parser, the help, the docs and the template agree."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from pipeline.options.parser import parse_run, run_parser
from pipeline.options.run_options import GROUPS, NOT_IN_TEMPLATE, RunOptions
from pipeline.setup.prepare import checked_run_id
from schemas.errors import UsageError
from scripts.option_docs import markdown, template
from tests.pipeline.command import job_status
from transforms.pubsub.client import checked_name

ROOT = Path(__file__).parents[3]
NAMES = [each.name for each in fields(RunOptions)]
PATTERNS = {each.name: each.metadata["pattern"] for each in fields(RunOptions)}
USUAL = ["--input", "x", "--output", "y"]
PUBSUB = ["--input_subscription", "projects/p/subscriptions/s", "--output", "y"]


def test_the_page_of_options_is_up_to_date() -> None:
    assert (ROOT / "docs" / "options.md").read_text() == markdown()


def test_the_help_the_page_and_the_parser_have_every_option() -> None:
    text = job_status("run", "--help").out
    page = markdown()
    known = {action.dest for action in run_parser()._actions}
    for name in NAMES:
        assert re.search(rf"^  --{name}\b", text, re.MULTILINE), name
        assert page.count(f"| `--{name}` |") == 1
        assert name in known


def test_the_help_is_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = job_status("run", "--help").out.splitlines()
    assert [line[:-1] for line in lines if line[:-1] in GROUPS] == list(GROUPS)


def test_the_help_does_not_list_the_options_of_beam() -> None:
    text = job_status("run", "--help").out
    assert "--help_beam" in text
    assert "--worker_machine_type" not in text


@pytest.mark.parametrize("command", ["run", "validate", "replay"])
def test_help_beam_lists_the_options_of_beam(command: str) -> None:
    said = job_status(command, "--help_beam")
    assert said.code == 0
    assert "--worker_machine_type" in said.out and "--checkpointing_interval" in said.out


def test_the_metadata_of_the_template_are_up_to_date() -> None:
    assert json.loads((ROOT / "deploy" / "metadata.json").read_text()) == template()


def test_a_template_has_the_options_that_work_there() -> None:
    parameters = {each["name"]: each for each in template()["parameters"]}
    hidden = set(NOT_IN_TEMPLATE)
    assert parameters.keys() == set(NAMES) - hidden
    # No command waits for the end of the job there, and Dataflow pulls and acknowledges.
    at_the_end = {"report", "max_dead_letter_fraction", "drain", "idle_seconds", "max_seconds"}
    pulling = {"lease_seconds", "pullers", "max_window_bytes", "retry_seconds"}
    assert hidden == {"log_format", "debug", "metrics_port"} | pulling | at_the_end
    assert not parameters["output"]["isOptional"]
    assert parameters["codec"]["paramType"] == "ENUM"
    assert parameters["write_mode"]["regexes"] == ["^(error|append|overwrite)$"]
    assert parameters["window_seconds"]["regexes"] == ["^[0-9]+$"]
    assert not any("--" in each["helpText"] for each in parameters.values())
    for each in parameters.values():
        for pattern in each.get("regexes", []):
            default = each.get("defaultValue")
            assert default is None or re.fullmatch(pattern, default)


@pytest.mark.parametrize("read", [USUAL, [*PUBSUB, "--streaming=true"]])
def test_a_form_may_send_the_default_of_every_parameter(read: list[str]) -> None:
    shown = [
        f"--{each['name']}={each['defaultValue']}"
        for each in template()["parameters"]
        if "defaultValue" in each and not (each["name"] == "streaming" and read is not USUAL)
    ]
    assert len(shown) > 5
    assert parse_run([*read, *shown]) == parse_run(read)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--debug=true", ["--debug"]),
        ("--debug=False", []),
        ("--no_use_public_ips=true", ["--no_use_public_ips"]),
        ("--enable_streaming_engine=false", []),
    ],
)
def test_a_flag_may_have_the_value_true_or_false(given: str, meant: list[str]) -> None:
    assert parse_run([*USUAL, given]) == parse_run([*USUAL, *meant])


def test_an_option_that_is_not_a_flag_keeps_the_value_true() -> None:
    options, beams = parse_run([*USUAL, "--provider=true", "--job_name=true"])
    assert options.provider == "true"
    assert beams == ["--job_name=true"]


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("max_event_bytes", "10MB", 10_000_000),
        ("max_event_bytes", "1.5 kB", 1_500),
        ("max_event_bytes", "2k", 2_000),
        ("max_event_bytes", "64MiB", 64 << 20),
        ("target_file_bytes", "1gib", 1 << 30),
        ("target_file_bytes", "700", 700),
        ("max_dead_letter_fraction", "5%", 0.05),
        ("max_dead_letter_fraction", "0.25", 0.25),
    ],
)
def test_sizes_may_have_a_unit_and_a_share_may_be_in_percent(
    option: str, text: str, value: float
) -> None:
    assert getattr(parse_run([*USUAL, f"--{option}", text])[0], option) == value


def test_an_option_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="--report is given twice"):
        parse_run([*USUAL, "--report", "a.json", "--report", "b.html"])


def test_a_flag_with_any_other_value_is_refused() -> None:
    with pytest.raises(UsageError, match="debug"):
        parse_run([*USUAL, "--debug=maybe"])


@pytest.mark.parametrize("run_id", ["a", "a-b_9", "x" * 100, "", "a b", "a/b", "x" * 101, "é"])
def test_the_pattern_of_a_run_id_matches_the_accepted_ids(run_id: str) -> None:
    matches = re.fullmatch(PATTERNS["run_id"], run_id) is not None
    if matches:
        assert checked_run_id(run_id) == run_id
    else:
        with pytest.raises(UsageError):
            checked_run_id(run_id)


@pytest.mark.parametrize("kind", ["subscription", "topic"])
@pytest.mark.parametrize("name", ["projects/p/{}s/n", "n", "projects/p/{}s/", "projects/p/{}s/a/b"])
def test_the_pattern_of_a_name_matches_the_accepted_names(kind: str, name: str) -> None:
    name = name.format(kind)
    matches = re.fullmatch(PATTERNS[f"input_{kind}"], name) is not None
    if matches:
        assert checked_name(name, kind) == name
    else:
        with pytest.raises(UsageError):
            checked_name(name, kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*USUAL, "--drain"], "--drain is not for files"),
        ([*USUAL, "--window_seconds", "5"], "--window_seconds is not for files"),
        ([*PUBSUB, "--drain", "--window_seconds", "5"], "nor for --drain"),
        ([*PUBSUB, "--streaming", "--idle_seconds", "5"], "nor for --streaming"),
        ([*PUBSUB, "--drain", "--run_id", "x"], "--run_id is not for Pub/Sub"),
        ([*PUBSUB, "--drain", "--write_mode", "overwrite"], "--write_mode overwrite"),
        (PUBSUB, "needs either --drain or --streaming"),
        ([*PUBSUB, "--drain", "--streaming"], "needs either --drain or --streaming"),
        ([*PUBSUB, "--drain", "--input", "x"], "--input and --input_subscription"),
        ([*PUBSUB, "--streaming", "--lease_seconds", "60"], "at most half"),
        ([*PUBSUB, "--drain", "--lease_seconds", "601"], "at most 600"),
        (["--output", "y"], "--input is missing"),
    ],
)
def test_contradictory_or_ineffective_options_are_refused(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_run(arguments)
    assert message in caught.value.message


def test_pubsub_always_appends_to_the_output() -> None:
    assert parse_run([*PUBSUB, "--drain"])[0].write_mode == "append"
    assert parse_run([*PUBSUB, "--drain", "--write_mode", "append"])[0].write_mode == "append"
    assert parse_run(USUAL)[0].write_mode == "error"


def test_options_for_checkpoints_reach_the_job_server_of_flink() -> None:
    class JobServer:
        """Describes options as the real job server does."""

        def DescribePipelineOptions(self, *_: Any, timeout: float) -> Any:
            kinds = beam_job_api_pb2.PipelineOptionType
            described = [
                ("checkpointing_interval", kinds.INTEGER),
                ("savepoint_path", kinds.STRING),
                ("externalized_checkpoints_enabled", kinds.BOOLEAN),
            ]
            options = [
                beam_job_api_pb2.PipelineOptionDescriptor(name=name, type=kind)
                for name, kind in described
            ]
            return beam_job_api_pb2.DescribePipelineOptionsResponse(options=options)

    given = ["--checkpointing_interval=60000", "--externalized_checkpoints_enabled=true"]
    _, beams = parse_run([*USUAL, *given])
    handle = JobServiceHandle(JobServer(), PipelineOptions(beams))
    sent = {name.split(":")[2]: value for name, value in handle.get_pipeline_options().items()}
    assert sent["checkpointing_interval"] == "60000"
    assert sent["externalized_checkpoints_enabled"] is True
    assert not {"savepoint_path", "max_bundle_size"} & sent.keys()
