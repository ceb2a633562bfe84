"""Compares the content of files with their manifests.

A file that was truncated exactly between two blocks is a valid Avro file: only its manifest shows
that records are missing.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from pipeline.inspect.content import Content
from pipeline.report import counted
from schemas.manifest import Manifest, OutputFile


class Finding(NamedTuple):
    """A difference between a file and what was committed in it, described without its path.

    `missing` is the number of committed records that cannot be read; None if unknown.
    """

    path: str
    problem: str
    missing: int | None = None


def compare(committed: dict[str, OutputFile], found: dict[str, Content]) -> list[Finding]:
    """Compares the content of files with the entries of their manifests, both by full path."""
    owners = {file.sha256: path for path, file in committed.items()}
    findings = []
    for path, file in committed.items():
        content = found.get(path)
        if content is None:
            problem = f"is missing; {counted(file.records, 'record')} were committed in it"
            findings.append(Finding(path, problem, file.records))
            continue
        missing = max(file.records - content.records, 0)
        if content.sha256 != file.sha256 or content.size != file.bytes:
            owner = owners.get(content.sha256)
            problem = _difference(path, file, content, owner)
            findings.append(Finding(path, problem, missing if owner is None else file.records))
        elif content.damage is not None or content.records != file.records:
            # The bytes are the committed ones, so the manifest or the writer was wrong.
            records = counted(content.records, "record")
            problem = f"holds {records}, but its manifest says {file.records:,}"
            findings.append(Finding(path, problem, missing))
    return findings


def _difference(path: str, file: OutputFile, content: Content, owner: str | None) -> str:
    if owner is not None and owner != path:
        return f"was swapped: it holds what was committed as {owner}"
    missing = file.records - content.records
    if content.damage is not None:
        return f"{content.damage}; {missing:,} of {file.records:,} records are missing"
    if missing > 0:
        return (
            f"is truncated between two blocks: {missing:,} of {file.records:,} records are "
            "missing, and readers don't notice"
        )
    if content.size != file.bytes:
        return f"has {content.size:,} bytes, but {file.bytes:,} were committed"
    return "has the committed size, but other bytes"


def check_counts(manifest: Manifest, contents: list[Content]) -> list[Finding]:
    """Compares the counts of a manifest with the content of its files, which must be undamaged."""
    values = sum((content.by_value for content in contents), Counter[str]())
    codes = sum((content.by_error_code for content in contents), Counter[str]())
    problems = [
        f"counts other records in {name} than its files hold"
        for name, found in (("by_value", values), ("by_error_code", codes))
        if Counter(getattr(manifest, name)) != found
    ]
    for name, found in (("written", values), ("dead_lettered", codes)):
        number, total = getattr(manifest, name), found.total()
        if number != total:
            records = counted(total, "record")
            problems.append(f"says {name} {number:,}, but its files hold {records}")
    if not all(check.holds for check in manifest.balance()):
        problems.append("has counts that do not balance")
    return [Finding(f"the manifest of run {manifest.run_id}", problem) for problem in problems]
