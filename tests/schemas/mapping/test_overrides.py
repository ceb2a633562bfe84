"""Several mapping files: later ones win, and rules that override each other are found."""

from __future__ import annotations

import pytest

from schemas.mapping.file import parse_mapping
from schemas.mapping.overrides import find_overrides
from schemas.mapping.problems import MappingError
from schemas.mapping.tables import Mapping, load_mapping, merge_files


def merged(*texts: str) -> Mapping:
    """Merges files with the names a.yaml, b.yaml and so on."""
    return merge_files(
        parse_mapping(text, f"{name}.yaml") for name, text in zip("abc", texts, strict=False)
    )


def found(*texts: str) -> list[tuple[str | None, str, str, str]]:
    """Returns the provider, the text and the places of each override."""
    return [
        (each.provider, each.entry.text, f"{each.file}:{each.entry.line}",
         f"{each.earlier_file}:{each.earlier.line}")
        for each in find_overrides(merged(*texts))
    ]  # fmt: skip


def test_later_files_win() -> None:
    files = ("{open: [go, run]}", "{closed: [go]}", "{draft: [x y]}")
    tables = merged(*(f"labels: {labels}" for labels in files)).global_tables
    values = [
        next(rule.value for table in tables if (rule := table.labels.get(text)))
        for text in ("go", "run", "x y")
    ]
    assert values == ["closed", "open", "draft"]
    assert [table.title for table in tables] == [
        *(f"{name}.yaml for all providers" for name in "cba"),
        "schemas/mapping/job_status.yaml for all providers",
    ]


def test_the_fingerprint_covers_all_files_and_their_order() -> None:
    a, b = "labels: {open: [go]}", "labels: {closed: [go]}"
    mappings = [load_mapping(), merged(a), merged(b), merged(a, b), merged(b, a)]
    assert len({mapping.fingerprint for mapping in mappings}) == 5
    assert merged(a, "labels: {}").fingerprint == merged(a).fingerprint


def test_files_for_different_providers_have_the_fingerprint_of_one_file_in_any_order() -> None:
    a, b = "acme: {labels: {open: [go]}}", "zulu: {names: [z9], codes: {open: [1]}}"
    one = merged(f"providers: {{{a}, {b}}}")
    for files in ((a, b), (b, a)):
        several = merged(*(f"providers: {{{provider}}}" for provider in files))
        assert several.fingerprint == one.fingerprint


def test_a_later_file_knows_the_names_of_an_earlier_one() -> None:
    mapping = merged("providers: {acme: {names: [Roadrunner]}}", "providers: {roadrunner: {}}")
    assert mapping.provider("Roadrunner") == "acme"


def test_a_name_of_one_file_cannot_be_given_to_another_provider_by_the_next() -> None:
    with pytest.raises(MappingError) as caught:
        merged("providers: {acme: {names: [x1]}}", "providers:\n  zonk: {names: [X1]}")
    assert caught.value.message.startswith("b.yaml:2: ")
    assert "`X1` is a name of acme already" in caught.value.message


def test_an_override_has_both_places_and_the_usual_name_of_the_provider() -> None:
    a = "providers:\n  SAP SuccessFactors:\n    labels: {open: [Go]}\n"
    b = "\n\n\nproviders: {successfactors: {labels: {closed: [go.]}}}"
    assert found(a, b) == [("successfactors", "go.", "b.yaml:4", "a.yaml:3")]


def test_the_third_file_is_compared_with_the_rule_in_force() -> None:
    a, b, c = (f"labels: {{{value}: [go]}}" for value in ("open", "closed", "draft"))
    assert found(a, b, c) == [
        (None, "go", "b.yaml:1", "a.yaml:1"),
        (None, "go", "c.yaml:1", "b.yaml:1"),
    ]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("codes: {open: [1]}", "codes: {closed: [1]}"),
        ("booleans: {open: [true]}", "booleans: {closed: [true]}"),
        ("codes: {open: [X9]}", "labels: {closed: [x9]}"),
        ("labels: {open: [x9]}", "codes: {closed: [X9]}"),
    ],
)
def test_every_kind_of_rule_can_override(a: str, b: str) -> None:
    assert len(found(f"providers: {{acme: {{{a}}}}}", f"providers: {{acme: {{{b}}}}}")) == 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("labels: {open: [go]}", "labels: {open: [Go]}"),
        ("labels: {open: [go]}", "labels: {closed: [stop]}"),
        ("labels: {open: [go]}", "providers: {acme: {labels: {closed: [go]}}}"),
        ("labels: {open: [open]}", "labels: {closed: [shut up]}"),
        ("labels: {}", "labels: {closed: [open]}"),
        (
            "providers: {acme: {codes: {open: [x-9]}}}",
            "providers: {acme: {codes: {closed: [x 9]}}}",
        ),
    ],
)
def test_other_rules_do_not_override_each_other(a: str, b: str) -> None:
    assert found(a, b) == []
