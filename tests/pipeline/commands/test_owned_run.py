"""A signal that stops a run says how far the commit is, for each command that commits once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pipeline.commands.owned_run import owned_run
from pipeline.runners import beam_options
from schemas.errors import StoppedBySignal
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import lines, settings, stage
from transforms.write.commit import commit
from transforms.write.settings import CommitSettings

pytestmark = pytest.mark.usefixtures("no_sync")


def _stopped(run: CommitSettings, steps: int | None, outcome: str = "") -> str:
    """Stops a run after some steps of its commit, or after all of them; returns the outcome."""
    with pytest.raises(StoppedBySignal) as caught, owned_run(run, beam_options([])):
        ledger = stage(run, lines(0, 2))
        if steps is None:
            commit(run, ledger)
        elif steps:
            with failing(steps), pytest.raises(Killed):
                commit(run, ledger)
        raise StoppedBySignal(signal.SIGTERM, outcome)
    return caught.value.outcome


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (0, "nothing was committed"),
        (1, "the next run into this output completes the commit"),
        (None, "everything was committed just before"),
    ],
)
@pytest.mark.parametrize("run_id", ["daily", "compact-1"])
def test_a_stop_says_how_far_the_commit_is(
    tmp_path: Path, run_id: str, steps: int | None, expected: str
) -> None:
    assert _stopped(settings(str(tmp_path / "out"), run_id), steps) == expected


def test_a_stop_keeps_what_is_known_of_its_outcome(tmp_path: Path) -> None:
    said = _stopped(settings(str(tmp_path / "out"), "daily"), 0, "the job was cancelled")
    assert said == "the job was cancelled; nothing was committed"


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    run = settings(str(tmp_path / "out"), "daily")
    with pytest.raises(ZeroDivisionError), owned_run(run, beam_options([])):
        stage(run, lines(0, 2))
        raise ZeroDivisionError
    assert [*tmp_path.rglob("*")] == []
