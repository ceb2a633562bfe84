"""`mapping test`: compares the status of each case with the expected one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.mapping.explain import derive_case, explain_case
from schemas.mapping import Case, Mapping


class CaseFile(NamedTuple):
    """The cases of a file, and its name in messages."""

    name: str
    cases: Sequence[Case]


def run_cases(files: Sequence[CaseFile], mapping: Mapping) -> tuple[str, int]:
    """Returns the text about all cases, and the number of those that failed."""
    lines: list[str] = []
    failures: list[str] = []
    failed = total = 0
    for file in files:
        wrong = [each for each in file.cases if derive_case(each, mapping).value != each.value]
        lines.append(f"{file.name}: {_result(len(file.cases), len(wrong))}")
        for case in wrong:
            failures += _failure_lines(file.name, case, mapping)
        failed += len(wrong)
        total += len(file.cases)
    return "\n".join([*lines, *failures, "", _result(total, failed)]) + "\n", failed


def _result(total: int, failed: int) -> str:
    return f"{total - failed:,} passed" + (f", {failed:,} failed" if failed else "")


def _failure_lines(name: str, case: Case, mapping: Mapping) -> Iterator[str]:
    yield ""
    yield f"{name}:{case.line}: failed"
    yield f"    expected:     {case.value or 'null'}"
    yield f"    got:          {derive_case(case, mapping).value or 'null'}"
    for line in explain_case(case, mapping):
        yield f"    {line}"
