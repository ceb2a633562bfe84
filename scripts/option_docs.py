"""Generates the page of the options and the metadata of a Flex Template from `RunOptions`.

python -m scripts.option_docs markdown > docs/options.md
python -m scripts.option_docs template > deploy/metadata.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import Field, fields
from typing import Any

from pipeline.options import GROUPS, NOT_IN_TEMPLATE, RunOptions, Use, choices_of, default_of

_INTRODUCTION = """\
# Options of `job-status run`

`job-status validate` has the same options. `job-status replay` has all except those for files and
for Pub/Sub.
This page is generated from `pipeline/options/run_options.py`. Do not edit it; run
`python -m scripts.option_docs markdown > docs/options.md`.
"""

_ONLY_FOR: dict[Use, str] = {
    "files": "Files only.",
    "messages": "Pub/Sub only.",
    "drain": "With `--drain` only.",
    "streaming": "With `--streaming` only.",
}

_TEMPLATE = {
    "name": "job-status",
    "description": "Reads job events from files or Pub/Sub, derives the status of each job, and "
    "writes Avro that is validated against the JobStatus schema.",
    "streaming": True,
}


def markdown() -> str:
    """Returns the page of all options, by group."""
    lines = [_INTRODUCTION]
    for group, text in GROUPS.items():
        rows = [_row(each) for each in fields(RunOptions) if each.metadata["group"] == group]
        lines += [f"## {group}", ""]
        if text:
            lines += [f"{text} `--help_beam` lists them all.", ""]
        if rows:
            lines += ["| option | value | default | meaning |", "| --- | --- | --- | --- |"]
            lines += [*rows, ""]
    return "\n".join(lines)


def _row(option: Field[Any]) -> str:
    metadata = option.metadata
    default = default_of(option)
    shown = "required" if metadata["required"] else _code(default)
    text = metadata["help"][0].upper() + metadata["help"][1:] + "."
    if metadata["only_for"] is not None:
        text += f" {_ONLY_FOR[metadata['only_for']]}"
    return f"| `--{option.name}` | {_value(option)} | {shown} | {text} |"


def _value(option: Field[Any]) -> str:
    metadata = option.metadata
    if choices := choices_of(option):
        return ", ".join(f"`{choice}`" for choice in choices)
    if str(option.type) == "bool":
        return ""
    low, high = metadata["at_least"], metadata["at_most"]
    value = metadata["metavar"]
    if low is not None and high is not None:
        return f"{value}, {low:,} to {high:,}"
    return f"{value}, at least {low:,}" if low is not None else value


def _code(default: Any) -> str:
    if default in (None, [], False):
        return ""
    return f"`{' '.join(default) if isinstance(default, list) else default}`"


def template() -> dict[str, Any]:
    """Returns the metadata of a Flex Template: the fields of its form and their patterns."""
    shown = [each for each in fields(RunOptions) if each.name not in NOT_IN_TEMPLATE]
    return {**_TEMPLATE, "parameters": [_parameter(each) for each in shown]}


def _parameter(option: Field[Any]) -> dict[str, Any]:
    metadata = option.metadata
    parameter: dict[str, Any] = {
        "name": option.name,
        "label": option.name.replace("_", " ").capitalize(),
        "helpText": _form_text(option),
        "isOptional": not metadata["required"],
        "groupName": metadata["group"],
    }
    default, choices = default_of(option), choices_of(option)
    if default not in (None, [], False) and _fits_every_run(option):
        parameter["defaultValue"] = " ".join(default) if isinstance(default, list) else str(default)
    if str(option.type) == "bool":
        parameter |= {"paramType": "BOOLEAN", "defaultValue": "false"}
    elif choices and "defaultValue" in parameter:
        options = [{"value": choice, "label": choice} for choice in choices]
        parameter |= {"paramType": "ENUM", "enumOptions": options}
    elif option.name == "input_subscription":
        parameter["paramType"] = "PUBSUB_SUBSCRIPTION"
    elif option.name == "input_topic":
        parameter["paramType"] = "PUBSUB_TOPIC"
    else:
        parameter["paramType"] = "TEXT"
        pattern = metadata["pattern"]
        if str(option.type).startswith("int"):
            pattern = "[0-9]+"
        elif choices:
            pattern = f"({'|'.join(choices)})"
        if pattern is not None:
            parameter["regexes"] = [f"^{pattern}$"]
    return parameter


def _fits_every_run(option: Field[Any]) -> bool:
    """Returns True if a form may show the default. A form sends it for files and for Pub/Sub."""
    return option.metadata["only_for"] is None and option.name != "write_mode"


def _form_text(option: Field[Any]) -> str:
    """Returns the help for a form, which has one value for each option and no dashes."""
    text: str = option.metadata["help"].removesuffix("; repeatable")
    text = text.replace("--drain or --streaming", "streaming").replace("--streaming", "streaming")
    default = default_of(option)
    if default not in (None, [], False) and not _fits_every_run(option):
        text += f" (default: {default})"
    return text


def main(arguments: list[str]) -> None:
    """Prints the page or the metadata.

    Args:
        arguments: `markdown` or `template`.
    """
    documents = {"markdown": markdown, "template": lambda: json.dumps(template(), indent=2) + "\n"}
    print(documents[arguments[0]](), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
