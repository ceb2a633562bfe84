"""Unusable options and names are usage errors with a hint, before anything is pulled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.pipeline.command import Said, run, visible
from transforms.local.install_hint import install_beam_extra

NAME = "projects/job-status-tests/subscriptions/jobs"
TOPIC = "projects/job-status-tests/topics/jobs"
SUBSCRIPTION = ("--input_subscription", NAME)
DRAIN = (*SUBSCRIPTION, "--drain")
STREAMING = (*SUBSCRIPTION, "--streaming")

needs_client = pytest.mark.needs("pubsub_client")


def refused(tmp_path: Path, *arguments: str) -> Said:
    """Runs a command that must end as a usage error, in two lines."""
    said = run(*arguments, "--output", tmp_path / "out")
    assert said.code == 2, said.err
    assert len(said.err.splitlines()) == 2, said.err
    assert said.out == ""
    assert visible(tmp_path) == []
    return said


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        ([*SUBSCRIPTION], "needs either --drain or --streaming", "--drain reads the waiting"),
        ([*DRAIN, "--streaming"], "needs either --drain or --streaming", "--streaming runs"),
        ([*DRAIN, "--input", "x"], "--input and --input_subscription cannot go", "once for each"),
        ([*DRAIN, "--input_topic", TOPIC], "and --input_topic cannot go together", "once for each"),
        ([*DRAIN, "--window_seconds", "5"], "--window_seconds is not for", "and --streaming"),
        ([*DRAIN, "--shards", "2"], "--shards is not for", "and --streaming"),
        ([*STREAMING, "--idle_seconds", "5"], "--idle_seconds is not for", "and --drain"),
        ([*STREAMING, "--max_seconds", "5"], "--max_seconds is not for", "and --drain"),
        ([*DRAIN, "--run_id", "a"], "--run_id is not for Pub/Sub", "goes with --input"),
        ([*DRAIN, "--input_format", "lines"], "--input_format is not for", "goes with --input"),
        ([*DRAIN, "--write_mode", "error"], "--write_mode error is not for", "are always added"),
        ([*DRAIN, "--write_mode", "overwrite"], "overwrite is not for Pub/Sub", "are always added"),
        (["--input", "x", "--drain"], "--drain is not for files", "--input_subscription"),
        (["--input", "x", "--pullers", "3"], "--pullers is not for files", "--input_subscription"),
        (["--drain"], "--input is missing", "or --input_subscription"),
        ([*STREAMING, "--lease_seconds", "10"], "must be at most half of", "messages again"),
        ([*DRAIN, "--lease_seconds", "601"], "must be at most 600", ""),
        ([*DRAIN, "--pullers", "0"], "must be at least 1", ""),
    ],
)
def test_contradictory_options_are_refused(
    arguments: list[str], error: str, hint: str, tmp_path: Path
) -> None:
    said = run(*arguments, "--output", tmp_path / "out")
    assert said.code == 2, said.err
    first, *rest = said.err.splitlines()
    assert error in first
    assert hint in "".join(rest)
    assert len(rest) <= 1
    assert visible(tmp_path) == []


@needs_client
@pytest.mark.parametrize("name", ["jobs", "projects/p/topics/jobs", "projects//subscriptions/jobs"])
def test_a_name_of_another_form_is_refused(name: str, tmp_path: Path) -> None:
    said = refused(tmp_path, "--input_subscription", name, "--drain")
    assert "is not the full name of a subscription" in said.err
    assert "projects/PROJECT/subscriptions/NAME" in said.err


@pytest.mark.parametrize("how", [DRAIN, STREAMING])
def test_a_missing_client_library_is_an_error_with_the_install_command(
    how: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.pubsub_v1", None)
    said = refused(tmp_path, *how)
    assert install_beam_extra("gcp") in said.err


@needs_client
@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner", "BundleBasedDirectRunner"])
def test_a_runner_that_cannot_stream_is_refused(runner: str, tmp_path: Path) -> None:
    said = refused(tmp_path, *STREAMING, f"--runner={runner}")
    assert f"--runner {runner} does not support --streaming" in said.err
    assert "--drain in place of --streaming" in said.err


@needs_client
@pytest.mark.parametrize("how", ["--drain", "--streaming"])
def test_a_topic_is_refused_if_the_runner_reads_no_topics(how: str, tmp_path: Path) -> None:
    arguments = ("--input_topic", TOPIC, how, f"--prism_location={sys.executable}")
    said = run(*arguments, "--output", tmp_path / "out")
    assert said.code == 2
    assert "--input_topic can be read on Dataflow only" in said.err
    assert "make a subscription of the topic" in said.err
    assert visible(tmp_path) == []


@needs_client
def test_a_missing_prism_is_an_error(tmp_path: Path) -> None:
    said = refused(tmp_path, *STREAMING, f"--prism_location={tmp_path / 'prism'}")
    assert "--prism_location FILE" in said.err
