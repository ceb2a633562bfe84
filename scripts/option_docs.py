"""What else is made of the options' definitions: their page, and the metadata of a Flex Template.

python -m scripts.option_docs markdown > docs/options.md
python -m scripts.option_docs template > deploy/metadata.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import Field, fields
from typing import Any

from pipeline.options import GROUPS, RunOptions, Use, default_of

_INTRODUCTION = """\
# Options of `job-status run`

`job-status validate` takes the same; `job-status replay` those that concern neither files nor
Pub/Sub.
This page is made from the definitions in `pipeline/options/run_options.py`:
`python -m scripts.option_docs markdown > docs/options.md`.
"""

_ALONE: dict[Use, str] = {
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
    """The page of all options, group by group."""
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
    about = option.metadata
    default = default_of(option)
    shown = "required" if about["required"] else _code(default)
    text = about["help"][0].upper() + about["help"][1:] + "."
    if about["only_for"] is not None:
        text += f" {_ALONE[about['only_for']]}"
    return f"| `--{option.name}` | {_value(option)} | {shown} | {text} |"


def _value(option: Field[Any]) -> str:
    about = option.metadata
    if about["choices"]:
        return ", ".join(f"`{choice}`" for choice in about["choices"])
    if str(option.type) == "bool":
        return ""
    low, high = about["at_least"], about["at_most"]
    value = about["metavar"]
    if low is not None and high is not None:
        return f"{value}, {low:,} to {high:,}"
    return f"{value}, at least {low:,}" if low is not None else value


def _code(default: Any) -> str:
    if default in (None, [], False):
        return ""
    return f"`{' '.join(default) if isinstance(default, list) else default}`"


def template() -> dict[str, Any]:
    """The metadata of a Flex Template: what its form asks for, and by which patterns it checks."""
    shown = [each for each in fields(RunOptions) if each.metadata["in_template"]]
    return {**_TEMPLATE, "parameters": [_parameter(each) for each in shown]}


def _parameter(option: Field[Any]) -> dict[str, Any]:
    about = option.metadata
    parameter: dict[str, Any] = {
        "name": option.name,
        "label": option.name.replace("_", " ").capitalize(),
        "helpText": _form_text(option),
        "isOptional": not about["required"],
        "groupName": about["group"],
    }
    default = default_of(option)
    if default not in (None, [], False) and _fits_any_run(option):
        parameter["defaultValue"] = " ".join(default) if isinstance(default, list) else str(default)
    if str(option.type) == "bool":
        parameter |= {"paramType": "BOOLEAN", "defaultValue": "false"}
    elif about["choices"] and "defaultValue" in parameter:
        options = [{"value": choice, "label": choice} for choice in about["choices"]]
        parameter |= {"paramType": "ENUM", "enumOptions": options}
    elif option.name == "input_subscription":
        parameter["paramType"] = "PUBSUB_SUBSCRIPTION"
    elif option.name == "input_topic":
        parameter["paramType"] = "PUBSUB_TOPIC"
    else:
        parameter["paramType"] = "TEXT"
        pattern = about["pattern"]
        if str(option.type).startswith("int"):
            pattern = "[0-9]+"
        elif about["choices"]:
            pattern = f"({'|'.join(about['choices'])})"
        if pattern is not None:
            parameter["regexes"] = [f"^{pattern}$"]
    return parameter


def _fits_any_run(option: Field[Any]) -> bool:
    """Whether a form may send the default along: it sends what it shows, whatever is read."""
    return option.metadata["only_for"] is None and option.name != "write_mode"


def _form_text(option: Field[Any]) -> str:
    """The help of an option as a form says it, which takes one value for each, and no dashes."""
    text: str = option.metadata["help"].removesuffix("; repeatable")
    text = text.replace("--drain or --streaming", "streaming").replace("--streaming", "streaming")
    default = default_of(option)
    if default not in (None, [], False) and not _fits_any_run(option):
        text += f" (default: {default})"
    return text


def main(arguments: list[str]) -> None:
    """Prints one of the two.

    Args:
        arguments: `markdown` or `template`.
    """
    made = {"markdown": markdown, "template": lambda: json.dumps(template(), indent=2) + "\n"}
    print(made[arguments[0]](), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
