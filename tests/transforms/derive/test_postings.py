"""The status of a posting: its words decide before the rules for all providers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping.file import VALUES
from schemas.mapping.tables import load_mapping
from schemas.record_kinds import JOB, KINDS, POSTING, RecordKind
from tests.transforms.derive.test_rule_properties import all_inputs
from tests.transforms.derive_cases import Inputs, inputs
from transforms.derive.rules import Derived, Deriver, derive

MAPPING = load_mapping()


def of_posting(given: Inputs) -> Derived:
    return derive(MAPPING, **given, kind=POSTING)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("live", "published"), ("rejected", "closed"), ("draft", "draft"), ("closed", "closed")),
        *(("pending", "pending"), ("internal", "internal"), ("archived", "archived")),
        *((" LIVE ", "published"), ("Rejected", "closed")),
    ],
)
def test_a_member_of_a_posting_is_given(word: str, value: str) -> None:
    assert of_posting(inputs('"open"', value=word)) == Derived(value, "open", "value", "given")


@pytest.mark.parametrize("word", ["open", "published", "on_hold", "deleted"])
def test_a_member_that_only_a_job_has_is_not_given(word: str) -> None:
    assert of_posting(inputs('"Draft"', value=word)).value == "draft"
    assert of_posting(inputs(value=word)) == Derived(word, None, "value", "global_rule")


@pytest.mark.parametrize(
    ("word", "posting", "job"),
    [
        ('"Live"', "published", "open"),
        ('{"label":"live"}', "published", "open"),
        ('["LIVE"]', "published", "open"),
        ('"rejected"', "closed", "unmapped_value"),
        ('"Offen"', "open", "open"),
        ('"Zonk"', "unmapped_value", "unmapped_value"),
    ],
)
def test_a_word_of_a_posting_comes_before_the_rules_for_all_providers(
    word: str, posting: str, job: str
) -> None:
    assert of_posting(inputs(word)).value == posting
    assert derive(MAPPING, **inputs(word)).value == job


@pytest.mark.parametrize("form", ['"live"', '{"label":"live"}'])
def test_a_rule_of_the_provider_comes_before_the_words_of_a_posting(form: str) -> None:
    text = "providers: {acme: {labels: {on_hold: [live]}}}\nlabels: {draft: [live]}"
    mapping = load_mapping(text)
    for provider, expected in (("acme", "on_hold"), ("lever", "published"), (None, "published")):
        assert derive(mapping, **inputs(form, provider=provider), kind=POSTING).value == expected


def test_a_pair_in_the_source_value_has_the_members_of_its_kind() -> None:
    nested = inputs('{"value":"live","source_value":"Zonk"}')
    assert of_posting(nested) == Derived("published", "Zonk", "source_value", "given")
    assert derive(MAPPING, **nested).derivation == "unmapped"


def test_a_deleted_posting_is_deleted_if_no_field_says_anything() -> None:
    event = "ats_job_postings.deleted"
    deleted = Derived("deleted", None, "event_type", "event_type")
    assert of_posting(inputs(event=event)) == deleted
    assert of_posting(inputs('"live"', event=event)).value == "published"
    assert of_posting(inputs()) == Derived(None, None, "nothing", "absent")


def test_one_deriver_keeps_jobs_and_postings_apart() -> None:
    deriver = Deriver(MAPPING)
    for event in ("ats_jobs.updated", None):
        given = inputs('"live"', event=event)
        assert deriver(**given, record_type="job").value == "open"
        assert deriver(**given, record_type="job_posting").value == "published"


@given(all_inputs, st.sampled_from(KINDS))
def test_deriving_again_from_the_outputs_own_columns_gives_the_same(
    given: Inputs, kind: RecordKind
) -> None:
    result = Deriver(MAPPING)(**given, record_type=kind.name)
    record = msgspec.json.decode(
        msgspec.json.encode({**given, "record_type": kind.name, **result._asdict()})
    )
    # A reader has only the record.
    columns = {key: record[key] for key in (*given, "record_type")}
    assert Deriver(load_mapping())(**columns) == result == derive(MAPPING, **given, kind=kind)
    assert result.value is None or result.value in VALUES


@given(all_inputs)
def test_a_job_is_derived_unless_another_kind_is_named(given: Inputs) -> None:
    assert derive(MAPPING, **given) == derive(MAPPING, **given, kind=JOB)
