"""The meaning of source values by the built-in rules, as files of `job-status mapping test`.

In `providers_*.yaml`, a rule of the provider decides or none does; in `global.yaml`, a rule for all
providers decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from schemas.mapping.cases import parse_cases

FILES = sorted(Path(__file__).parent.glob("*.yaml"))


class MappingCase(NamedTuple):
    """A source value as JSON, its provider, the expected status, and the case's file."""

    provider: str | None
    json: str
    value: str | None
    file: str


def load_cases() -> list[MappingCase]:
    """Returns the cases of all files that have a source value."""
    return [
        MappingCase(case.provider, case.source_value, case.value, path.name)
        for path in FILES
        for case in parse_cases(path.read_text("utf-8"), path.name)
        if case.source_value is not None
    ]
