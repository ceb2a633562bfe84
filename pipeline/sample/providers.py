"""Loads the providers of the samples and renders the statuses of their jobs."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

RemoteIds = Literal["digits", "number", "uuid", "code"]


class Provider(Struct, frozen=True):
    """An applicant tracking system. `statuses` are raw, as decoded JSON, with their weights."""

    names: tuple[str, ...]
    weight: int
    remote_ids: RemoteIds
    utc_offset_hours: int
    statuses: tuple[tuple[Any, int], ...]


class SampleData(Struct, frozen=True):
    """The content of providers.yaml, which describes each field."""

    levels: tuple[str, ...]
    roles: tuple[str, ...]
    values: tuple[str, ...]
    forms: dict[str, dict[Literal["ordinary", "varied"], float]]
    other_events: dict[str, str]
    postings: tuple[tuple[str | None, Any], ...]
    providers: tuple[Provider, ...]
    unmapped_share: float
    unmapped: tuple[tuple[str, Any], ...]


class StatusRow(NamedTuple):
    """A status of the provider at an index, and its share of all events, 0 to 1.

    `forms` has JSON text to append to a job's fields for each of `SampleData.forms`: it starts with
    a comma, or is empty.
    """

    provider: int
    share: float
    forms: tuple[str, ...]


@cache
def sample_data() -> SampleData:
    """Loads providers.yaml from the package, with the safe loader of PyYAML."""
    file = resources.files(__package__).joinpath("providers.yaml")
    return msgspec.yaml.decode(file.read_bytes(), type=SampleData)


@cache
def status_rows() -> tuple[StatusRow, ...]:
    """Returns every status of every provider, the unmapped ones last. The shares add up to 1."""
    data = sample_data()
    rows = []
    total = sum(provider.weight for provider in data.providers)
    for index, provider in enumerate(data.providers):
        share = (1 - data.unmapped_share) * provider.weight / total
        weights = sum(weight for _, weight in provider.statuses)
        for raw, weight in provider.statuses:
            rows.append(StatusRow(index, share * weight / weights, _forms(raw)))
    indexes = {provider.names[0]: index for index, provider in enumerate(data.providers)}
    share = data.unmapped_share / len(data.unmapped)
    rows += [StatusRow(indexes[name], share, _forms(raw)) for name, raw in data.unmapped]
    return tuple(rows)


@cache
def posting_statuses() -> tuple[str, ...]:
    """Returns the statuses of postings as JSON text to append to the fields of a posting."""
    return tuple(
        status_pair(json.dumps(value), json.dumps(source_value), key="status")
        for value, source_value in sample_data().postings
    )


def status_pair(value: str, source_value: str, key: str = "job_status") -> str:
    """Renders the field of a status, after a comma, from the JSON texts of its two members."""
    return f',"{key}":{{"value":{value},"source_value":{source_value}}}'


def _forms(raw: Any) -> tuple[str, ...]:
    data = sample_data()
    compact = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    # The same JSON written otherwise: the pipeline must keep its spaces and escapes.
    spaced = json.dumps(raw)
    word = raw.lower() if isinstance(raw, str) else None
    given = json.dumps(word if word in data.values else None)
    pair = status_pair("null", compact)
    status = "" if word is None else f',"status":{json.dumps(word)}'
    texts = {
        "plain": pair,
        "with_status": pair + status,
        "no_value": f',"job_status":{{"source_value":{spaced}}}',
        "given": status_pair(given, compact),
        "unmapped_value": status_pair('"unmapped_value"', compact),
        "all_null": status_pair("null", "null") + status,
        "missing": f',"job_status":{{"value":{given}}}{status}',
        "no_pair": f',"job_status":null{status}',
        "status_only": status or ',"status":"open"',
        "disagreeing": f'{pair},"status":"{"open" if word == "archived" else "archived"}"',
        "camel_case": f',"job_status":{{"value":null,"sourceValue":{compact}}}',
        "scalar": pair if isinstance(raw, (dict, list)) else f',"job_status":{compact}',
    }
    return tuple(texts[form] for form in data.forms)
