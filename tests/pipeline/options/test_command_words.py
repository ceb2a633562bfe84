"""The command line that the report shows is the one of the run, without secrets."""

from __future__ import annotations

import pytest

from pipeline.options.command_words import command_words, option_words
from pipeline.options.parser import parse_run
from pipeline.options.run_options import RunOptions

USUAL = ["--input", "a b", "c*", "--output", "out"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", *USUAL],
        ["run", *USUAL, "--mapping", "m.yaml", "--mapping", "n.yaml"],
        ["run", *USUAL, "--skip_read", "--write_mode", "append"],
        ["run", *USUAL, "--assume_timezone=-05:00", "--max_dead_letter_fraction", "0.05"],
        ["run", *USUAL, "--event_types", "a.*", "b", "--runner=FlinkRunner", "--parallelism=4"],
        ["run", "--input_subscription", "projects/p/subscriptions/s", "--output", "o", "--drain"],
        ["replay", "out", "--output", "again", "--max_event_bytes", "50MB"],
        ["replay", "out", "--output", "again", "--write_mode", "error"],
    ],
    ids=" ".join,
)
def test_the_words_give_the_same_options_again(words: list[str]) -> None:
    command, *arguments = words
    options, beam_arguments = parse_run(arguments, command)
    name, again, *others = command_words(command, options, beam_arguments)
    assert (name, again) == ("job-status", command)
    assert parse_run(others, command) == (options, beam_arguments)


def test_options_that_have_their_default_are_left_out() -> None:
    options, _ = parse_run([*USUAL, "--codec", "deflate"])
    assert command_words("run", options, []) == ["job-status", "run", *USUAL]


@pytest.mark.parametrize(
    "secret",
    [
        ["--s3_secret_access_key=CANARY"],
        ["--s3_access_key_id", "CANARY"],
        ["--s3_session_token=CANARY"],
        ["--azure_connection_string=AccountName=a;AccountKey=CANARY"],
        ["--environment_config", '{"env": {"X": "CANARY"}}'],
        ["--s3_endpoint_url=http://me:CANARY@localhost"],
        ["--s3_endpoint_url", "http://CANARY@localhost"],
    ],
    ids=" ".join,
)
def test_secrets_are_hidden_and_their_options_are_not(secret: list[str]) -> None:
    options, beam_arguments = parse_run([*USUAL, *secret, "--parallelism=4"])
    words = command_words("run", options, beam_arguments)
    assert "CANARY" not in " ".join(words)
    assert any(word.startswith(secret[0].partition("=")[0]) for word in words)
    assert words[-1] == "--parallelism=4"


def test_only_the_named_options_are_given() -> None:
    options = RunOptions(output="out", mapping=["m", "n"], accounts="a")
    assert option_words(options, ["mapping"]) == ["--mapping", "m", "--mapping", "n"]
