"""All spellings of a status become one text, and every text takes a bounded time."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.mapping.normalise import (
    MAX_LABEL,
    OVERLONG,
    normalise_label,
    provider_key,
    provider_name_keys,
    spellings,
    without_accents,
)

# For an iota subscript below another accent, Python's upper() is not the inverse of lower().
_GREEK_IOTA = set("\u0345") | {chr(point) for point in range(0x1F80, 0x2000)}
words = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("On Hold", "on hold"),
        ("ON_HOLD", "on hold"),
        ("on-hold", "on hold"),
        ("on.hold", "on hold"),
        ("on/hold", "on hold"),
        ("on – hold", "on hold"),
        ("on\u2212hold", "on hold"),
        ("on\u00a0hold", "on hold"),
        ("\ton\r\nhold ", "on hold"),
        ("on\u200bhold", "onhold"),
        ("on\u00adhold", "onhold"),
        ("on\u0000hold", "onhold"),
        ("onHold", "onhold"),
        ("Ｏｐｅｎ", "open"),
        ("İptal", "iptal"),
        ("KAPALI", "kapali"),
        ("kapalı", "kapali"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Publie\u0301", "publié"),
        ("publie\u200d\u0301", "publié"),
        ("ΟΔΟΣ", "οδοσ"),
        ("…", ""),
        (" _-./\u2014\u200b", ""),
        ("\u0307", ""),
        ("", ""),
        ("a,b", "a,b"),
    ],
)
def test_normalise_label(text: str, normalised: str) -> None:
    assert normalise_label(text) == normalised


def test_a_text_of_over_256_characters_is_overlong() -> None:
    assert normalise_label("x" * MAX_LABEL) == "x" * MAX_LABEL
    assert normalise_label("x" * MAX_LABEL + "x") == OVERLONG
    assert normalise_label("x" * MAX_LABEL + " " * 10_000) == "x" * MAX_LABEL
    assert spellings("x" * 300) == (OVERLONG,) * 4


def test_the_overlong_marker_equals_no_label() -> None:
    assert normalise_label(OVERLONG) == ""


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("onHold", "on hold"),
        ("OnHold", "on hold"),
        ("oPen", "o pen"),
        ("SAPClosed", "sapclosed"),
        ("on\u200bHold", "on hold"),
        ("ferméOuvert", "fermé ouvert"),
        ("ferme\u0301Ouvert", "fermé ouvert"),
        ("x\u0323Y", "x\u0323 y"),
        ("geschlossenÜber", "geschlossen über"),
        ("ABC", "abc"),
        ("open2Close", "open2close"),
    ],
)
def test_a_text_is_split_between_lower_and_upper_case(text: str, split: str) -> None:
    assert spellings(text).split == split


def test_bare_spellings_have_no_accents() -> None:
    assert spellings("ferméOuvert") == (
        "ferméouvert",
        "fermé ouvert",
        "fermeouvert",
        "ferme ouvert",
    )
    assert without_accents("veröffentlicht") == "veroffentlicht"
    assert without_accents("o\u0323\u0302") == "o"


@pytest.mark.parametrize(
    "name",
    ["sapsuccessfactors", "SAP SuccessFactors", "sap-success_factors!", "S.A.P. (Success)Factors"],
)
def test_a_provider_key_ignores_case_spaces_and_punctuation(name: str) -> None:
    assert provider_key(name) == "sapsuccessfactors"


def test_a_name_without_letters_and_digits_has_an_empty_key() -> None:
    assert provider_key("-- !") == ""
    assert provider_key("x" * 1000) == ""


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("Lever Hire", ("leverhire",)),
        ("lever.co", ("leverco", "lever")),
        ("workable.com (sandbox)", ("workablecomsandbox", "workablecom", "workable")),
        ("BambooHR_OAuth-v2 ", ("bamboohroauthv2", "bamboohroauth", "bamboohr")),
        ("Acme [EU] {US} Partner", ("acmeeuuspartner", "acmeeuus", "acmeeu", "acme")),
        ("test api", ("testapi", "test", "")),
        ("sandbox acme", ("sandboxacme",)),
        ("acmetest", ("acmetest",)),
        ("acme/test", ("acmetest",)),
        ("acme v10", ("acmev10",)),
        ("", ("",)),
        ("x" * 1000 + " test", ("",)),
    ],
)
def test_a_provider_name_loses_the_suffixes_at_its_end(name: str, keys: tuple[str, ...]) -> None:
    assert provider_name_keys(name) == keys


@given(words)
def test_normalise_label_is_idempotent(text: str) -> None:
    assume(normalise_label(text) != OVERLONG)
    assert normalise_label(normalise_label(text)) == normalise_label(text)


@given(words, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
@example("Ȯ", "NFD")
@example("ﬁnished…", "NFKD")
def test_spellings_do_not_depend_on_the_normalisation_form(text: str, form: str) -> None:
    other = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    assert spellings(other) == spellings(text)


@given(words)
@example("ŉ")
@example("ı")
@example("ẞ")
def test_normalise_label_does_not_depend_on_case(text: str) -> None:
    assume(not _GREEK_IOTA & set(unicodedata.normalize("NFD", text) + text))
    assert normalise_label(text.upper()) == normalise_label(text.lower()) == normalise_label(text)


@given(words)
def test_a_normalised_text_has_no_separators_and_no_spaces_at_its_ends(text: str) -> None:
    normalised = normalise_label(text)
    assume(normalised != OVERLONG)
    assert not set("_-./\t\n") & set(normalised)
    assert normalised == normalised.strip()
    assert "  " not in normalised
    assert len(normalised) <= MAX_LABEL


@given(words, st.sampled_from([" ", "\u200b", "…", "\u0307 ", "_\u00ad"]), st.integers(0, 30_000))
def test_removed_characters_do_not_count_towards_the_length(
    text: str, filler: str, times: int
) -> None:
    assert normalise_label(filler * times + " " + text) == normalise_label(text)


@pytest.mark.parametrize(
    ("character", "overlong"),
    [
        ("\u0301\u0323", True),
        ("\u0307", False),
        (" \u0307", False),
        ("…", False),
        ("\u200b", False),
        ("\ufdfa", True),
        ("a ", True),
        (" ", False),
    ],
)
def test_megabytes_of_any_character_take_seconds_at_most(character: str, overlong: bool) -> None:
    text = character * (2_000_000 // len(character.encode()))
    start = time.process_time()
    assert (normalise_label(text) == OVERLONG) is overlong
    assert (normalise_label(text) == "") is not overlong
    # A quadratic time would be hours.
    assert time.process_time() - start < 60


def test_many_runs_of_marks_take_a_linear_time() -> None:
    text = ("a" + "\u0301\u0323" * 2_000) * 2

    def seconds(times: int, work: Callable[[], object]) -> float:
        start = time.process_time()
        for _ in range(times):
            work()
        return time.process_time() - start

    assert normalise_label(text) == OVERLONG
    # Sorting the marks into canonical order needs 150 times as long.
    assert seconds(200, lambda: normalise_label(text)) < seconds(
        20, lambda: unicodedata.normalize("NFKC", text)
    )
