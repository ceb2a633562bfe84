"""Every name that a user imports has a docstring with an example that works.

The public names are those in the `__init__.pyi` of `pipeline`, `transforms` and `schemas`.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_status import PACKAGES

ROOT = Path(__file__).resolve().parents[1]


def names() -> Iterator[str]:
    """Yields the public names with their package."""
    for package in PACKAGES:
        stub = ROOT / package / "__init__.pyi"
        if stub.exists():
            yield from (f"{package}.{name}" for name in importlib.import_module(package).__all__)


NAMES = sorted(names())


def public(name: str) -> Any:
    """Imports a public name."""
    package, _, attribute = name.partition(".")
    return getattr(importlib.import_module(package), attribute)


def docstring(thing: Any) -> str:
    """Returns the docstring of a class, function or property itself, not an inherited one."""
    return inspect.cleandoc(thing.__doc__ or "")


def all_docstrings(thing: Any) -> str:
    """Returns the docstring, and for a class those of its bases."""
    return "\n".join(map(docstring, inspect.getmro(thing) if inspect.isclass(thing) else [thing]))


def members(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yields the public methods and properties of a class that no base of it has."""
    inherited = {name for base in inspect.getmro(thing)[1:] for name in vars(base)}
    for name, member in vars(thing).items():
        if not name.startswith("_") and name not in inherited and not isinstance(member, type):
            function = getattr(member, "__func__", getattr(member, "func", member))
            if inspect.isfunction(function) or isinstance(member, property):
                yield name, function


def test_there_are_public_names() -> None:
    assert {"pipeline.main", "schemas.load_mapping"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_an_example_that_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = docstring(public(name))
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert example.examples, f"{name} has no example"
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_describes_every_parameter(name: str) -> None:
    thing = public(name)
    text = all_docstrings(thing)
    if "docs/schema.md" in text:
        return  # a record, whose fields that page describes
    missing = [
        each
        for each in inspect.signature(thing).parameters
        if not re.search(rf"^    {each}: ", text, re.MULTILINE)
    ]
    assert not missing, f"{name} does not describe {missing}"


@pytest.mark.parametrize("name", NAMES)
def test_the_members_of_a_public_class_have_docstrings(name: str) -> None:
    thing = public(name)
    if inspect.isclass(thing):
        missing = [each for each, member in members(thing) if not docstring(member)]
        assert not missing, f"{name} has members without a docstring: {missing}"
