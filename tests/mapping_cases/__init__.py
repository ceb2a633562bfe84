"""The meaning of source values by the built-in rules, as YAML.

A case has `source_value` in its JSON type, the expected `value`, and `provider` unless it has none.
In `providers_*.yaml`, a rule of the provider decides or none does; in `global.yaml`, a rule for all
providers decides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import yaml

FILES = sorted(Path(__file__).parent.glob("*.yaml"))


class MappingCase(NamedTuple):
    """A source value as JSON, its provider, the expected status, and the case's file."""

    provider: str | None
    json: str
    value: str
    file: str


def load_cases() -> list[MappingCase]:
    """Returns the cases of all files."""
    return [
        MappingCase(
            case.get("provider"),
            json.dumps(case["source_value"], ensure_ascii=False),
            case["value"],
            path.name,
        )
        for path in FILES
        for case in yaml.safe_load(path.read_text("utf-8"))
    ]
