"""Generates the page of the public names from their docstrings.

python -m scripts.api_docs > docs/api.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

_ROOT = Path(__file__).resolve().parents[1]

_PACKAGES = ("transforms", "schemas", "pipeline")

_INTRODUCTION = """\
# Python API

These are the names that you import in a program of your own. All other names are internal: they may
change without notice. A test runs the examples.
This page is generated from the docstrings. Do not edit it; run
`python -m scripts.api_docs > docs/api.md`.
"""

_LONGEST = 88
"""Characters of a call on one line."""

_Kind = griffe.DocstringSectionKind
_KINDS = {
    *(_Kind.text, _Kind.parameters, _Kind.returns, _Kind.raises),
    *(_Kind.attributes, _Kind.examples),
}


def markdown() -> str:
    """Returns the page: a section for each package, and in it one for each name."""
    # A result is described in one text, which may take several lines.
    options: Any = {"returns_multiple_items": False, "warn_missing_types": False}
    loader = griffe.GriffeLoader(
        search_paths=[_ROOT], docstring_parser=griffe.Parser.google, docstring_options=options
    )
    modules = [loader.load(name) for name in _PACKAGES]
    loader.resolve_aliases()
    lines = [_INTRODUCTION]
    for module in modules:
        lines += [f"## {module.path}", "", _summary(module), ""]
        names = _public_names(module.path)
        for name in names:
            lines += _section(module.path, module[name].final_target, names)
    return "\n".join(lines)


def _public_names(package: str) -> list[str]:
    """Returns the names of a package's face, sorted without case."""
    stub = _ROOT / package / "__init__.pyi"
    face = griffe.visit(package, filepath=stub, code=stub.read_text("utf-8"))
    return sorted(face.members, key=str.casefold)


def _section(package: str, thing: Any, public: list[str]) -> Iterator[str]:
    sections = _sections(thing)
    unknown = sections.keys() - _KINDS
    if unknown:
        raise ValueError(f"{thing.path} has sections that the page does not show: {unknown}")
    yield from (f"### {thing.name}", "", "```python", f"from {package} import {thing.name}", "")
    yield from (_declaration(thing, _Kind.parameters in sections), "```", "")
    yield from (sections[_Kind.text], "")
    yield from _list("Arguments", _rows(sections.get(_Kind.parameters, [])))
    for each in sections.get(_Kind.returns, []):
        start = f"`{each.name}`: " if each.name else ""
        yield from (f"Returns: {start}{_joined(each.description)}", "")
    for each in sections.get(_Kind.raises, []):
        yield from (f"Raises `{each.annotation}`: {_joined(each.description)}", "")
    for _, text in sections.get(_Kind.examples, []):
        yield from ("```pycon", text, "```", "")
    internal = [base for base in thing.mro() if base.name not in public] if thing.is_class else []
    attributes = [
        each for one in (*internal, thing) for each in _sections(one).get(_Kind.attributes, [])
    ]
    members = _members(thing, {each.name for each in attributes})
    yield from _list("Attributes", [*_rows(attributes), *members])


def _sections(thing: Any) -> dict[Any, Any]:
    """Returns the sections of a docstring by their kind."""
    parsed = thing.docstring.parsed if thing.docstring else []
    return {section.kind: section.value for section in parsed}


def _declaration(thing: Any, is_called: bool) -> str:
    """Returns the call of a function or class, or the bases of a class that is not called."""
    if not is_called and thing.is_class:
        bases = ", ".join(str(base) for base in thing.bases)
        return f"class {thing.name}({bases})" if bases else f"class {thing.name}"
    returned = f" -> {thing.returns}" if thing.is_function else ""
    words = list(_parameters(thing.parameters))
    line = f"{thing.name}({', '.join(words)}){returned}"
    if len(line) <= _LONGEST:
        return line
    return "\n".join([f"{thing.name}(", *(f"    {word}," for word in words), f"){returned}"])


def _parameters(parameters: Any) -> Iterator[str]:
    is_keyword = False
    for each in parameters:
        if each.name == "self":
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not is_keyword:
            is_keyword = True
            yield "*"
        default = "" if each.default is None else f" = {each.default}"
        yield f"{each.name}: {each.annotation}{default}"


def _members(thing: Any, described: set[str]) -> Iterator[tuple[str, str]]:
    """Yields the other public members of a class, with the first line about each.

    A method without a docstring implements one of a base. A field needs only a type.
    """
    for name, member in thing.members.items() if thing.is_class else ():
        if name.startswith("_") or name in described:
            continue
        if member.is_attribute and member.annotation:
            yield f"{name}: {member.annotation}", _summary(member)
        elif member.is_function and member.docstring:
            words = ", ".join(_parameters(member.parameters))
            yield f"{name}({words}) -> {member.returns}", _summary(member)


def _rows(items: list[Any]) -> list[tuple[str, str]]:
    return [
        (f"{each.name}: {each.annotation}" if each.annotation else each.name, each.description)
        for each in items
    ]


def _list(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    # No table: a bar within code has no form that is shown alike by GitHub and by the site.
    if rows:
        lines = (f"- `{name}`: {_joined(text)}".removesuffix(": ") for name, text in rows)
        yield from (f"{title}:", "", *lines, "")


def _summary(thing: Any) -> str:
    return _joined(thing.docstring.value.partition("\n\n")[0]) if thing.docstring else ""


def _joined(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    print(markdown(), end="")
