"""Properties of a derived status for any input."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.mapping.file import VALUES
from schemas.mapping.normalise import normalise_label, spellings
from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import CASES, Inputs, inputs
from transforms.derive.rules import Derived, Deriver, derive
from transforms.derive.source_value import FLAG_KEYS, ID_KEYS, LABEL_KEYS
from transforms.json.text import kind_of

MAPPING = load_mapping()
DERIVER = Deriver(MAPPING)
LABELS = sorted({rule.text for table in MAPPING.global_tables for rule in table.labels.values()})
DERIVATIONS = {"given", "provider_rule", "global_rule", "event_type", "unmapped", "absent"}
PLACES = {"value", "source_value", "status", "event_type", "nothing"}
_GREEK_IOTA = set("\u0345") | {chr(point) for point in range(0x1F80, 0x2000)}


class Number(str):
    """A JSON number as written."""

    __slots__ = ()


# Parts of statuses: words of the tables, similar words, and any others.
words = st.one_of(
    st.sampled_from(LABELS),
    st.sampled_from([str.upper, str.title, str.capitalize]).flatmap(
        lambda change: st.sampled_from(LABELS).map(change)
    ),
    st.sampled_from(["onHold", "2", "-1", "010", "O", "SAPClosed", "", " ", "…", "unmapped_value"]),
    st.sampled_from(["WID", "110 Filled", "5 x", "2 Draft"]),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
numbers = st.one_of(
    st.sampled_from(["0", "-0", "1", "2", "10", "1e1", "1.0", "10.0", "1e400", "1e1000000000"]),
    st.integers(-(10**30), 10**30).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,30})?", fullmatch=True),
).map(Number)
scalars = st.one_of(words, numbers, st.booleans(), st.none())
keys = st.one_of(
    st.sampled_from(
        [*LABEL_KEYS, *ID_KEYS, *FLAG_KEYS, "ID", "Label", "source_value", "attributes", "wd:type"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=5),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
providers = st.sampled_from([None, "nobody", *MAPPING.providers])
texts = st.none() | words
all_inputs = st.builds(
    lambda json, provider, value, status, event: inputs(
        json, provider=provider, value=value, status=status, event=event
    ),
    st.none() | values.map(lambda value: render(value)),
    providers,
    texts,
    texts,
    st.sampled_from([None, "ats_jobs.updated", "ats_jobs.deleted", ""]),
)


def render(value: Any, space: Callable[[], str] = lambda: "") -> str:
    """Writes a value as JSON, with the result of `space` around every token."""
    if isinstance(value, Number):
        token = str(value)
    elif isinstance(value, dict):
        members = (f"{render(k, space)}:{render(v, space)}" for k, v in value.items())
        token = "{" + (",".join(members) or space()) + "}"
    elif isinstance(value, list):
        token = "[" + (",".join(render(v, space) for v in value) or space()) + "]"
    else:
        token = msgspec.json.encode(value).decode()
    return space() + token + space()


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        members = [(key, shuffled(member, chance)) for key, member in value.items()]
        chance.shuffle(members)
        return dict(members)
    return [shuffled(v, chance) for v in value] if isinstance(value, list) else value


def with_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Changes the strings of a value, but not its keys and numbers."""
    if isinstance(value, dict):
        return {key: with_strings(member, change) for key, member in value.items()}
    if isinstance(value, list):
        return [with_strings(element, change) for element in value]
    return change(value) if isinstance(value, str) and not isinstance(value, Number) else value


def strings_of(value: Any) -> list[str]:
    found: list[str] = []
    with_strings(value, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return found


def derived(value: Any, provider: str | None) -> Derived:
    return derive(MAPPING, **inputs(render(value), provider=provider))


def outcome(value: Any, provider: str | None) -> tuple[str | None, str, str]:
    result = derived(value, provider)
    return result.value, result.derived_from, result.derivation


@given(all_inputs)
def test_the_result_is_always_a_member_or_null(given: Inputs) -> None:
    result = derive(MAPPING, **given)
    assert result.value is None or result.value in VALUES
    assert result.derivation in DERIVATIONS
    assert result.derived_from in PLACES
    assert (result.value is None) == (result.derivation == "absent")
    assert (result.source_value is None) == (given["source_value_type"] in ("missing", "null"))
    assert len(result.source_value or "") <= 4096


@given(all_inputs)
def test_deriving_again_from_the_outputs_own_columns_gives_the_same(given: Inputs) -> None:
    result = derive(MAPPING, **given)
    record = msgspec.json.decode(msgspec.json.encode({**given, **result._asdict()}))
    # A reader has only the record.
    columns = {key: record[key] for key in given}
    if record["source_value_json"] is not None:
        assert kind_of(record["source_value_json"].encode()) == record["source_value_type"]
    assert derive(load_mapping(), **columns) == result


@given(st.lists(all_inputs, max_size=8))
def test_a_deriver_returns_the_results_of_derive(givens: list[Inputs]) -> None:
    expected = [derive(MAPPING, **given) for given in givens]
    assert [DERIVER(**given) for given in givens] == expected


@given(values, providers, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(
    value: Any, provider: str | None, chance: random.Random
) -> None:
    assert outcome(shuffled(value, chance), provider) == outcome(value, provider)


@given(values, providers, st.randoms(use_true_random=False))
def test_white_space_around_tokens_does_not_matter(
    value: Any, provider: str | None, chance: random.Random
) -> None:
    spaced = render(value, lambda: chance.choice(["", " ", "\t", "\r\n"]))
    assert derive(MAPPING, **inputs(spaced, provider=provider)) == derived(value, provider)


@given(values, providers, st.sampled_from(["NFC", "NFD"]))
def test_the_canonical_form_of_texts_does_not_matter(
    value: Any, provider: str | None, form: str
) -> None:
    other = with_strings(value, lambda text: unicodedata.normalize(form, text))  # type: ignore[arg-type]
    assert outcome(other, provider) == outcome(value, provider)


@given(values, st.sampled_from(["NFKC", "NFKD"]))
def test_the_compatibility_form_does_not_matter_without_a_provider(value: Any, form: str) -> None:
    other = with_strings(value, lambda text: unicodedata.normalize(form, text))  # type: ignore[arg-type]
    assert outcome(other, None) == outcome(value, None)


@given(values, providers, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_case_does_not_matter_without_a_boundary(
    value: Any, provider: str | None, change: Callable[[str], str]
) -> None:
    for text in strings_of(value):
        assume(spellings(text).split == spellings(text).plain)
        assume(spellings(change(text)).split == spellings(change(text)).plain)
        assume(not _GREEK_IOTA & set(unicodedata.normalize("NFD", text) + text))
        assume(text != "WID")
    assert outcome(with_strings(value, change), provider) == outcome(value, provider)


@given(numbers, providers)
def test_numbers_keep_every_digit(number: Number, provider: str | None) -> None:
    for value in (number, [number], {"label": number}, [None, {"name": [number]}]):
        assert derived(value, provider).source_value == str(number)


@given(words, providers)
def test_strings_are_kept_unchanged(text: str, provider: str | None) -> None:
    assert derived(text, provider).source_value == text


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), providers)
def test_a_text_without_a_rule_is_never_guessed(text: str, provider: str | None) -> None:
    known: set[str] = set()
    for table in (*MAPPING.provider_tables(provider), *MAPPING.global_tables):
        known |= {*table.labels, *table.bare_labels, *table.codes}
    start = text.strip().partition(" ")[0]
    assume(normalise_label(text) and not {*spellings(text), text.strip(), start} & known)
    assert outcome(text, provider) == ("unmapped_value", "source_value", "unmapped")


@given(st.one_of(numbers, st.booleans()))
def test_numbers_and_booleans_are_unmapped_without_a_provider(value: Any) -> None:
    for shape in (value, [value], {"label": value}, {"id": value}):
        assert outcome(shape, None) == ("unmapped_value", "source_value", "unmapped")


@pytest.mark.parametrize("wrapping", ["[%s]", "[[[%s]]]", '{"label":%s}', '[null,{"Name":%s}]'])
def test_a_wrapped_status_means_the_same(wrapping: str) -> None:
    for case in CASES:
        if kind_of(case.json.encode()) in ("string", "number", "boolean"):
            wrapped = derive(MAPPING, **inputs(wrapping % case.json, provider=case.provider))
            assert (wrapped.value, wrapped.derivation) == (case.value, case.derivation)


@settings(max_examples=20)
@given(st.integers(1, 200), st.sampled_from(["[", '{"label":', '{"id":', '{"source_value":']))
def test_any_nesting_has_a_result(depth: int, opening: str) -> None:
    json = opening * depth + '"open"' + ("]" if opening == "[" else "}") * depth
    result = derive(MAPPING, **inputs(json))
    is_open = depth <= 4 and opening != '{"id":'  # an id is a code, never a label
    assert result.value == ("open" if is_open else "unmapped_value")


MEGABYTES = 2_000_000
HOSTILE = {
    "an exponent": "1e1000000000",
    "a long exponent": "1e" + "9" * MEGABYTES,
    "zeros in an exponent": "1e" + "0" * MEGABYTES + "5",
    "digits": "1" * MEGABYTES,
    "zeros": "1" + "0" * MEGABYTES,
    "a fraction": "0." + "0" * MEGABYTES + "1",
    "a long text": '"' + "x" * MEGABYTES + '"',
    "white space": '"' + " " * MEGABYTES + '"',
    "escapes": '"' + "\\n" * (MEGABYTES // 2) + '"',
    "quotes": '["' + '\\"' * (MEGABYTES // 2) + '"]',
    "backslashes": '[["' + "\\\\" * (MEGABYTES // 2) + '"]]',
    "combining marks": '"' + "\u0301\u0323" * (MEGABYTES // 4) + '"',
    "words with many marks": "[" + f'"{"a" + chr(0x301) * 25}",' * (MEGABYTES // 54) + "1]",
    "expanding characters": '"' + "\ufdfa" * (MEGABYTES // 3) + '"',
    "capitals": '"' + "aB" * (MEGABYTES // 2) + '"',
    "numbers": "[" + "1," * (MEGABYTES // 2) + "1]",
    "one label": "[" + '"open",' * (MEGABYTES // 7) + '"open"]',
    "blank texts": "[" + '"",' * (MEGABYTES // 3) + "null]",
    "dots": "[" + '"…",' * (MEGABYTES // 6) + "null]",
    "objects": "[" + '{"label":"open"},' * (MEGABYTES // 17) + "{}]",
    "keys": "{" + ",".join(f'"k{n}":1' for n in range(MEGABYTES // 11)) + "}",
    "one key": "{" + '"label":null,' * (MEGABYTES // 13) + '"label":"open"}',
    "deep": "[" * 200 + '"' + "x" * MEGABYTES + '"' + "]" * 200,
    "deep and blank": "[" * 200 + '"",' * (MEGABYTES // 3) + '""' + "]" * 200,
    "labels in labels": '{"label":' * 200 + "[" + "{}," * (MEGABYTES // 3) + "{}]" + "}" * 200,
    "a bush": "[" * 4 + '{"name":["a"]},' * (MEGABYTES // 15) + "{}" + "]" * 4,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_statuses_take_a_bounded_time(name: str) -> None:
    start = time.process_time()
    result = derive(MAPPING, **inputs(HOSTILE[name], provider="successfactors"))
    assert result.value is None or result.value in VALUES
    assert len(result.source_value or "") <= 4096
    # A quadratic time would be hours.
    assert time.process_time() - start < 60


def test_the_time_for_a_status_is_bounded() -> None:
    times = []
    # The best of several rounds, and a wide margin: other processes share the machine.
    for turn in range(5):
        start = time.process_time()
        for number in range(500):
            DERIVER(**inputs(f'"open {turn} {number}"', provider="greenhouse"))
        times.append((time.process_time() - start) / 500)
    assert min(times) < 200e-6
