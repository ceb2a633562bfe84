"""`job-status mapping lint`."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from pipeline.mapping.lint import lint_text
from schemas.mapping.file import parse_mapping

MINE = """\
labels:
  on_hold: [parked]
providers:
  workable: {labels: {closed: [closed]}}
  our own: {names: [OurATS], codes: {open: [7]}, booleans: {open: [true]}}
"""
DOCS = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")


def test_the_text_for_a_valid_file_has_its_effect() -> None:
    lint, problems = lint_text(MINE, "my.yaml")
    assert problems == 0
    assert lint.splitlines() == [
        "my.yaml: fine: 2 labels, 1 code, 1 boolean",
        "my.yaml:5: our own is a new provider",
        'my.yaml:4: closed overrides: label "closed" means internal at workable',
    ]


def test_a_misspelt_provider_gets_the_nearest_name() -> None:
    text = "providers: {greenhose: {labels: {open: [go]}}}"
    assert "did you mean greenhouse?" in lint_text(text, "my.yaml")[0]


def test_every_problem_has_its_line_and_hint() -> None:
    lint, problems = lint_text("labels:\n  opne: [go]\n  closed: [1, on]\n", "my.yaml")
    assert problems == 3
    assert lint.splitlines() == [
        "my.yaml:2: labels: unknown value `opne`",
        "    Did you mean `open`?",
        "my.yaml:3: labels.closed: `1` is a code, not a label",
        "    Write it under providers.NAME.codes: the same number means different things at "
        "different providers.",
        "my.yaml:3: labels.closed: YAML reads `on` as the boolean true",
        '    Write it in quotes: "on".',
        "my.yaml: 3 problems",
    ]


def test_the_built_in_file_is_valid() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    assert len(lint_text(text, "built-in")[0].splitlines()) == 1


def test_the_example_in_the_docs_is_valid() -> None:
    example, *_ = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    lint, problems = lint_text(example, "docs.yaml")
    assert problems == 0
    assert lint.startswith("docs.yaml: fine: 5 labels, 4 codes, 1 boolean")


def test_the_example_in_the_built_in_file_is_valid() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    example = re.findall(r"^#     (.*)$", text, re.MULTILINE)
    assert lint_text("\n".join(example), "example.yaml")[1] == 0
    assert len(parse_mapping("\n".join(example), "").entries) == 8
