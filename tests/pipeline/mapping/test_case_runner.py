"""`job-status mapping test`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.mapping.case_runner import CaseFile, run_cases
from pipeline.mapping.explain import explain_case
from schemas.mapping.cases import parse_cases
from schemas.mapping.tables import load_mapping
from tests.mapping_cases import FILES
from tests.pipeline.command import assert_clear_error, job_status

DOCS = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")
CASES = """\
- {provider: workable, source_value: closed, value: closed}
- {provider: workable, source_value: draft, value: draft}
"""
RULES = "providers: {workable: {labels: {closed: [closed]}}}"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.yaml"
    path.write_text(CASES)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_built_in_rules_pass_the_cases_of_the_project(path: Path) -> None:
    said = job_status("mapping", "test", path)
    assert said.code == 0, said.out
    assert said.err == ""


def test_each_file_has_a_line_and_the_last_line_has_the_sum(cases: Path) -> None:
    said = job_status("mapping", "test", FILES[0], FILES[0], cases)
    *lines, total = said.out.splitlines()
    count = int(lines[0].rpartition(": ")[2].removesuffix(" passed"))
    assert lines[:3] == [f"{FILES[0]}: {count} passed"] * 2 + [f"{cases}: 1 passed, 1 failed"]
    assert total == f"{2 * count + 1} passed, 1 failed"


def test_a_failure_has_its_line_both_statuses_and_the_explanation() -> None:
    mapping = load_mapping()
    file = CaseFile("cases.yaml", parse_cases(f"# A comment.\n{CASES}", "cases.yaml"))
    text, failed = run_cases([file], mapping)
    assert failed == 1
    lines = text.splitlines()
    assert lines[1:5] == [
        "",
        "cases.yaml:2: failed",
        "    expected:     closed",
        "    got:          internal",
    ]
    explanation = [f"    {line}" for line in explain_case(file.cases[0], mapping)]
    assert lines[5:-2] == explanation
    assert any("job_status.yaml:" in line for line in explanation)


def test_a_failed_case_gives_exit_code_1(cases: Path) -> None:
    said = job_status("mapping", "test", cases)
    assert (said.code, said.err) == (1, "error: 1 case failed\n")


def test_the_rules_of_the_user_are_tested(cases: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    said = job_status("mapping", "test", cases, "--mapping", rules)
    assert (said.code, said.out.splitlines()[-1]) == (0, "2 passed")


def test_every_field_of_an_event_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(
        "- {given_value: Open, source_value: closed, value: open}\n"
        "- {legacy_status: Closed, value: closed}\n"
        "- {event_type: ats_jobs.deleted, source_value: null, value: deleted}\n"
        "- {source_value: '', value: null}\n"
    )
    assert job_status("mapping", "test", path).out.endswith("\n4 passed\n")


def test_an_invalid_file_of_cases_is_refused_with_its_line_and_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("- {source_value: x, value: open}\n- {source_value: x, value: opn}\n")
    said = job_status("mapping", "test", path)
    assert_clear_error(said, 2, f"{path}:2: value: unknown value `opn`", "Did you mean `open`?")
    assert_clear_error(job_status("mapping", "test", tmp_path / "none.yaml"), 2, "none.yaml")


def test_all_problems_of_a_file_of_cases_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("- {value: opn}\n- {valeu: open}\n")
    said = job_status("mapping", "test", path)
    assert said.code == 2
    assert [f"{path}:{line}: " in said.out for line in (1, 2)] == [True, True]


def test_the_example_in_the_docs_is_the_real_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, cases, part = re.findall(r"^```yaml\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
    ((command, shown),) = re.findall(
        r"^```\n\$ job-status (mapping test .*?)\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE
    )
    (tmp_path / "my-mapping.yaml").write_text(rules)
    (tmp_path / "cases.yaml").write_text(cases)
    monkeypatch.chdir(tmp_path)
    assert job_status(*command.split()).out == shown
    traps = next(path for path in FILES if path.name == "traps.yaml").read_text("utf-8")
    assert set(part.splitlines()) <= set(traps.splitlines())
