"""The report of losses tells apart what becomes of delicate lines and of a killed run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compare import contenders_of
from benchmarks.contenders import Contender
from benchmarks.losses import Outcome, bad_line, killed, main, status_field

_GOOD = [{"job_id": "1"}, {"job_id": "2"}]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(False, [], files=[]), "the run fails, no file"),
        (Outcome(False, _GOOD, files=[Path("some")]), "the run fails, 2 readable records"),
        (Outcome(False, unreadable=[Path("some")]), "the run fails, an unreadable file"),
        (Outcome(True, [*_GOOD, {"job_id": None}]), "a record of nulls"),
        (Outcome(True, _GOOD, others=[{"line": "the delicate one"}]), "kept apart"),
        (Outcome(True, _GOOD), "dropped"),
    ],
)
def test_a_bad_line_is_described_by_what_is_left_of_it(outcome: Outcome, words: str) -> None:
    assert bad_line(outcome) == words


def test_a_field_is_described_by_its_value() -> None:
    records = [{"job_id": "delicate", "job_status": {"value": "open"}}]
    assert status_field("value")(Outcome(True, records)) == "`open`"
    assert status_field("value")(Outcome(False)) == "the run fails"


def test_job_status_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--contenders", "d"])
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")[2:-1]]
    assert cells == [
        *("kept apart", "kept apart", "`1.50`", "`boolean`", "`string`", "`2`", "a whole file"),
    ]


@pytest.mark.parametrize("letter", ["b", "g"])
def test_a_killed_run_of_others_leaves_a_part(letter: str) -> None:
    (contender,) = contenders_of(letter)
    assert isinstance(contender, Contender)
    assert killed(contender).startswith("a part")
