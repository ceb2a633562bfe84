"""The tables in force: their order, the fingerprint, and the pickle of a mapping."""

from __future__ import annotations

import pickle
import random
from importlib import resources

import pytest
from apache_beam.internal.cloudpickle import cloudpickle

from schemas.mapping.normalise import normalise_label, spellings
from schemas.mapping.problems import MappingError
from schemas.mapping.tables import Mapping, built_in_file, load_mapping


def value(mapping: Mapping, provider: str | None, text: str) -> str | None:
    """Returns the value of the first table with a rule for a text."""
    tables = (*mapping.provider_tables(provider), *mapping.global_tables)
    rules = (table.label(spellings(text)) for table in tables)
    return next((rule.value for rule in rules if rule), None)


def test_the_users_tables_come_before_the_built_in_ones() -> None:
    mapping = load_mapping(
        "labels: {internal: [draft], on_hold: [published]}\n"
        "providers: {workable: {labels: {open: [published]}}}",
        "my.yaml",
    )
    titles = [table.title for table in mapping.provider_tables("workable")]
    assert titles == [
        "my.yaml for workable",
        "schemas/mapping/job_status.yaml for workable",
    ]
    # The user's for the provider, the built-in one for the provider, the user's for all providers.
    assert value(mapping, "workable", "published") == "open"
    assert value(mapping, "workable", "draft") == "draft"
    assert value(mapping, None, "draft") == "internal"
    assert value(mapping, None, "published") == "on_hold"
    assert value(mapping, None, "closed") == "closed"


def test_all_spellings_are_tried_in_one_table_before_the_next() -> None:
    mapping = load_mapping("labels: {archived: [fermé, old job]}")
    assert value(mapping, None, "FERME") == "archived"
    assert value(mapping, None, "oldJob") == "archived"
    assert value(mapping, None, "óldJób") == "archived"


def test_a_spelling_with_accents_comes_before_one_without() -> None:
    mapping = load_mapping("providers: {x: {labels: {open: [ouvert], closed: [ouvèrt]}}}")
    assert value(mapping, "x", "Ouvert") == "open"
    assert value(mapping, "x", "Ouvèrt") == "closed"


def test_accents_that_distinguish_two_values_are_not_ignored() -> None:
    mapping = load_mapping("providers: {x: {labels: {open: [zonka], closed: [zonká]}}}")
    assert value(mapping, "x", "zonkà") is None
    assert value(mapping, "x", "zonka") == "open"


def test_a_rule_has_its_file_and_line() -> None:
    mapping = load_mapping("labels:\n  open:\n    - Go\n", "dir/my.yaml")
    rule = mapping.global_tables[0].labels["go"]
    assert (rule.text, rule.place, rule.provider) == ("Go", "dir/my.yaml:3", None)


def test_every_built_in_rule_is_on_the_line_in_its_place() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    lines = text.splitlines()
    entries = built_in_file().entries
    assert len(entries) > 200
    for entry in entries:
        assert entry.text in lines[entry.line - 1]


def test_providers_are_found_by_any_of_their_names() -> None:
    mapping = load_mapping("providers: {Bamboo-HR: {names: [Bamboo], labels: {open: [go]}}}")
    for name in ("bamboohr", "BambooHR", "bamboo hr", "bamboo"):
        assert mapping.provider(name) == "bamboohr"
        assert value(mapping, name, "go") == "open"
        assert value(mapping, name, "OnHold") == "on_hold"
    assert mapping.provider("SAP SuccessFactors") == "successfactors"
    assert mapping.other_names("successfactors") == [
        "SAP SuccessFactors",
        "SuccessFactors Recruiting",
    ]
    assert mapping.other_names("bamboohr") == ["Bamboo"]


def test_the_whole_name_comes_before_the_name_without_a_suffix() -> None:
    mapping = load_mapping(
        "providers:\n"
        "  workable test: {labels: {draft: [zonk], open: [closed]}}\n"
        "  workable: {labels: {archived: [zonk], pending: [zink]}}\n"
        "  acme: {labels: {closed: [open]}}\n"
    )
    assert mapping.provider("Workable-Test") == mapping.provider("workable test eu")
    assert value(mapping, "workable_test.com", "zonk") == "draft"
    assert value(mapping, "workable_test", "closed") == "open"
    # A text that its own table lacks has the rule of workable.
    assert value(mapping, "workable_test", "zink") == "pending"
    assert value(mapping, "workable_test", "archived") == "archived"
    assert value(mapping, "workable_eu", "zonk") == "archived"
    assert value(mapping, "acme (sandbox)", "open") == "closed"


def test_a_code_before_a_text_is_found_if_a_file_says_so() -> None:
    mapping = load_mapping(
        "providers:\n"
        "  acme: {codes_with_text: true, codes: {open: [A1]}}\n"
        "  zulu: {codes_with_text: false, codes: {open: [A1]}}\n"
        "  peoplesoft: {codes: {open: ['200']}}\n"
    )

    def rule(provider: str, code: str) -> bool:
        return any(table.code(code) for table in mapping.provider_tables(provider))

    assert rule("acme", "A1 Go")
    assert rule("peoplesoft", "200 Go")
    assert not rule("zulu", "A1 Go")
    assert not rule("acme", "A2 Go")
    assert not rule("acme", "A1 -")
    assert not rule("acme", "A1\tGo")


@pytest.mark.parametrize("name", [None, "", "--", "nobody", "bamboohr2", "x" * 10_000])
def test_an_unknown_provider_has_no_table(name: str | None) -> None:
    mapping = load_mapping()
    assert mapping.provider(name) is None
    assert mapping.provider_tables(name) == ()


def test_a_new_provider_has_the_users_table() -> None:
    mapping = load_mapping("providers: {acme: {labels: {closed: [open]}}}")
    assert value(mapping, "ACME", "Open") == "closed"


def test_a_name_of_one_provider_cannot_be_given_to_another() -> None:
    with pytest.raises(MappingError) as caught:
        load_mapping("providers:\n  greenhouse:\n    names: [BreezyHR]\n", "my.yaml")
    assert "`BreezyHR` is a name of breezy already" in caught.value.message
    assert caught.value.message.startswith("my.yaml:")


def test_a_provider_may_repeat_its_own_names() -> None:
    load_mapping("providers: {breezy: {names: [BreezyHR]}}")


def test_the_fingerprint_is_16_hex_digits() -> None:
    fingerprint = load_mapping().fingerprint
    assert len(fingerprint) == 16
    int(fingerprint, 16)


@pytest.mark.parametrize(
    "text", ["", "# a comment\n", "providers: {acme: {}}", "labels: {open: []}"]
)
def test_a_file_without_rules_changes_no_fingerprint(text: str) -> None:
    assert load_mapping(text).fingerprint == load_mapping().fingerprint


def test_neither_comments_nor_order_nor_spelling_change_the_fingerprint() -> None:
    one = """
labels: {open: [Go Ahead, run], closed: [stop]}
providers:
  x: {codes: {open: ["1", "2"]}, labels: {draft: [a b]}}
  y: {booleans: {open: [true]}}
"""
    other = """
# Another order, other quotes, another spelling of the same labels.
providers:
  y: {booleans: {open: true}}
  x: {labels: {draft: [A-B]}, codes: {open: [2, 1]}}
labels: {closed: [Stop], open: [run, go_ahead, Go Ahead]}
"""
    assert load_mapping(one, "a").fingerprint == load_mapping(other, "b").fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "labels: {open: [go]}",
        "labels: {closed: [go]}",
        "labels: {closed: [go on]}",
        "providers: {acme: {labels: {open: [go]}}}",
        "providers: {acme: {codes: {open: [go]}}}",
        "providers: {acme: {codes: {open: [GO]}}}",
        "providers: {acme: {names: [zulu], codes: {open: [GO]}}}",
        "providers: {acme: {codes_with_text: true, codes: {open: [GO]}}}",
        "providers: {acme: {booleans: {open: [true]}}}",
        "providers: {acme: {booleans: {open: [false]}}}",
        "providers: {greenhouse: {names: [gh2]}}",
        # The built-in tables have the same rule, but this one precedes a provider's own.
        "labels: {closed: [closed]}",
    ],
)
def test_every_rule_changes_the_fingerprint(text: str) -> None:
    seen = _FINGERPRINTS.setdefault(load_mapping(text).fingerprint, text)
    assert seen == text
    assert load_mapping(text).fingerprint != load_mapping().fingerprint


_FINGERPRINTS: dict[str, str] = {}


def test_the_order_of_the_built_in_file_does_not_change_the_fingerprint() -> None:
    file = built_in_file()
    entries, providers = list(file.entries), list(file.providers)
    random.Random(1).shuffle(entries)
    random.Random(2).shuffle(providers)
    shuffled = file._replace(entries=tuple(entries), providers=tuple(providers))
    assert Mapping((shuffled,)).fingerprint == load_mapping().fingerprint


@pytest.mark.parametrize("text", [None, "providers: {acme: {codes: {open: [1]}}}"])
def test_a_pickled_mapping_is_small_and_complete(text: str | None) -> None:
    mapping = load_mapping(text, "my.yaml")
    for copy in (
        pickle.loads(pickle.dumps(mapping)),
        cloudpickle.loads(cloudpickle.dumps(mapping)),
    ):
        assert copy == mapping
        assert copy.fingerprint == mapping.fingerprint
        assert copy.provider_tables("workable") == mapping.provider_tables("workable")
        assert copy.provider_tables("acme") == mapping.provider_tables("acme")
    assert len(pickle.dumps(mapping)) < 20_000


def test_a_mapping_cannot_be_changed() -> None:
    mapping = load_mapping()
    with pytest.raises(AttributeError):
        mapping.fingerprint = ""
    with pytest.raises(AttributeError):
        mapping.global_tables = ()


def test_the_built_in_labels_for_all_providers_have_no_ambiguous_words() -> None:
    labels = load_mapping().global_tables[0].labels
    ambiguous = ["approved", "new", "template", "unknown", "other", "n/a", "none", "null", "error"]
    assert not {normalise_label(word) for word in ambiguous} & set(labels)
