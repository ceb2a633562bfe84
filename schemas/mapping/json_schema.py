"""Describes a mapping file as a JSON Schema, with which editors complete and check it.

The schema accepts every file that the parser accepts. The parser finds more problems: texts under
two values, for example, and texts that YAML converts.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.mapping.file import CODES_WITH_TEXT, SECTIONS, UNMAPPED, VALUES, Kind

_MAX_INTEGER: Final = 10**18 - 1
_NUMBER: Final = r"[\d\s._/-]*"
_LABEL: Final = {"type": "string", "not": {"pattern": f"^{_NUMBER}$"}}
_GLOBAL_LABEL: Final = {"type": "string", "not": {"pattern": f"^({_NUMBER}|[a-zA-Z])$"}}
_CODE: Final = {
    "type": ["string", "integer"],
    "pattern": r"\S",
    "minimum": -_MAX_INTEGER,
    "maximum": _MAX_INTEGER,
}
_NAME: Final = {"type": "string", "pattern": r"\S"}
_RULES: Final[dict[Kind, tuple[str, dict[str, Any]]]] = {
    "label": ("Texts; case, spaces and punctuation are ignored.", _LABEL),
    "code": ("Numbers, and strings that are ids; compared exactly.", _CODE),
    "boolean": ("JSON's true and false.", {"type": "boolean"}),
}


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a mapping file."""
    provider = {
        "names": _list("Other names of the provider.", _NAME),
        CODES_WITH_TEXT: {
            "description": "Whether a text may follow a code, after a space.",
            "type": "boolean",
        },
        **{section: _statuses(*_RULES[kind]) for section, kind in SECTIONS.items()},
    }
    providers = {
        "description": "The rules of each provider, which precede its built-in ones.",
        "type": ["object", "null"],
        "additionalProperties": {"$ref": "#/$defs/provider"},
    }
    about_labels = "Texts of all providers, searched after the provider's own rules."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping file of job-status",
        **_object({"labels": _statuses(about_labels, _GLOBAL_LABEL), "providers": providers}),
        "$defs": {"provider": _object(provider)},
    }


def _statuses(description: str, text: dict[str, Any]) -> dict[str, Any]:
    lists = {value: _list(f"Texts that mean {value}.", text) for value in VALUES}
    lists[UNMAPPED] = _list("Known, but none of the statuses: the search ends here.", text)
    return {"description": description, **_object(lists)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _list(description: str, item: dict[str, Any]) -> dict[str, Any]:
    kinds = [item, {"type": "array", "items": item}, {"type": "null"}]
    return {"description": description, "anyOf": kinds}
