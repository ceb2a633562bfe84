"""The report page shows the counts of the report, is one file, and escapes every text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.report import NextStep, group_letters
from pipeline.report.html import PageDetails
from pipeline.report.html.page import report_page
from schemas.counts import MAX_PROVIDERS, OTHER
from schemas.manifest import Input, Manifest, OutputFile, RunBefore, ShareChange, Unmapped

VOID = {"meta", "wbr", "br", "input"}
HOSTILE = "</title><script>alert('1')</script><img src=x onerror=\"alert(1)\"> & \x1b\u202e]]>"


class _Page(HTMLParser):
    """Parses a page: its tags with their attributes, and its texts with their tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(data for tag, data in self.texts if tag != "style").split())


def _report(text: str) -> Manifest:
    """Returns a report that has a text in every place for one, and always the same counts."""
    return Manifest(
        run_id=text,
        read=10,
        written=7,
        dead_lettered=2,
        ignored=1,
        by_record_type={"job": 5, f"{text}k": 2},
        by_value={"open": 4, "unmapped_value": 2, f"{text}v": 1},
        by_source_value_type={f"{text}s": 7},
        by_derivation={"given": 5, "unmapped": 2},
        by_provider={f"{text}p": {"open": 4, f"{text}v": 1}, "null": {"unmapped_value": 2}},
        accounts_without_provider={f"{text}a": 2},
        providers_without_table={f"{text}w": 5},
        unreadable_timestamps=1,
        unreadable_by_field={f"{text}u": {f"{text}s": 1}},
        by_day={"2025-05-01": 4, "2025-05-03": 2, "null": 1, f"{text}d": 0},
        by_error_code={f"{text}e": 1, "TOO_LARGE": 1},
        ignored_by_type={f"{text}t": 1},
        unmapped=[Unmapped(f"{text}p", f"{text}u", 2), Unmapped(None, f"{text}n", 1)],
        inputs=[Input(f"/{text}i", 5_000, True), Input("/x", 1)],
        files=[
            OutputFile(f"/{text}f", 7, 12_000, f"{text}h", "job_status"),
            OutputFile("/dead", 2, 100, "", "dead_letter"),
        ],
        pipeline_version=f"{text}v",
        schema_fingerprint=f"{text}f",
        mapping_fingerprint=f"{text}m",
        accounts_fingerprint=f"{text}a",
        mapping_files=[f"{text}y"],
        committed_at=f"{text}c",
        replaces=[f"{text}r"],
        consumed=[f"{text}c"],
        run_before=RunBefore(
            f"{text}b", f"{text}c", 9, 8, 1, [ShareChange(f"{text}e", 0.1, 0.2, True)]
        ),
    )


def _letter(text: str) -> Any:
    return {
        "error_code": f"{text}e",
        "error_message": f"{text}m",
        "error_path": f"$.{text}j",
        "source": f"/{text}l",
        "source_offset": 7,
        "message_id": None,
        "payload": b"",
    }


def _details(text: str) -> PageDetails:
    """Returns details that have a text in every place for one."""
    return PageDetails(
        command=f"job-status run {text}x",
        directory=f"/{text}d",
        steps=[NextStep(f"{text}q", ("job-status", "inspect")), NextStep(f"{text}y")],
        letters=group_letters([(_letter(text), False)], 1),
        lines={(f"/{text}l", 7): 3},
        rules=f"# {text}r\nlabels:",
    )


def _page(text: str) -> str:
    return report_page(_report(text), _details(text))


def _page_of(report: Manifest) -> str:
    return report_page(report, PageDetails())


PLAIN = _Page(_page("plain"))


@settings(max_examples=60)
@given(
    st.text(min_size=1, max_size=20)
    | st.text("<>&\"'/!-[]=;`x", min_size=1, max_size=20)
    | st.just(HOSTILE)
)
def test_no_text_becomes_an_element_or_an_attribute(text: str) -> None:
    shown = _Page(_page(text))
    assert [(tag, attributes.keys()) for tag, attributes in shown.tags] == [
        (tag, attributes.keys()) for tag, attributes in PLAIN.tags
    ]


def test_every_text_is_shown_as_it_is_in_the_data() -> None:
    text = "<b>\"bold\"</b> & 'quoted'"
    shown = _Page(_page(text)).text
    for mark in "vspetuifbxdqyrlj":
        assert f"{text}{mark}" in shown


def test_control_and_direction_characters_are_shown_as_escapes() -> None:
    text = _page("a\u202eb\x1bc\x00d")
    assert r"a\u202eb\x1bc\x00d" in text
    assert not set("\u202e\x1b\x00") & set(text)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = _page("x")
    assert "script" not in {tag for tag, _ in PLAIN.tags}
    assert not re.search(r"url\(|@import|https?:|//[a-z]", text)
    for _, attributes in PLAIN.tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    policies = [each["content"] for each in PLAIN.of("meta") if "http-equiv" in each]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_drawing_has_a_text_beside_it_or_a_text_alternative() -> None:
    bars = [each for each in PLAIN.of("div") if each.get("class") == "bar"]
    assert len(bars) > 10
    assert all(each["aria-hidden"] == "true" for each in bars)
    swatches = [each for each in PLAIN.of("span") if "swatch" in str(each.get("class"))]
    assert len(swatches) > 5
    assert all(each["aria-hidden"] == "true" for each in swatches)
    described = [each["aria-label"] for _, each in PLAIN.tags if each.get("role") == "img"]
    assert described == [
        "3 columns of a day each, from 2025-05-01 to 2025-05-03; "
        "the highest has 4 events in 2025-05-01."
    ]


def test_the_contents_have_a_link_to_each_section() -> None:
    links = [str(each["href"]) for each in PLAIN.of("a")]
    assert links == [f"#{each['id']}" for each in PLAIN.of("section")]
    titles = [data for tag, data in PLAIN.texts if tag == "a"]
    assert titles == [data for tag, data in PLAIN.texts if tag == "h2"]


def test_the_contents_of_an_empty_run_have_no_link_without_a_section() -> None:
    page = _Page(_page_of(Manifest(run_id="none")))
    assert [each["href"] for each in page.of("a")] == [
        f"#{each['id']}" for each in page.of("section")
    ]


def test_no_id_is_given_twice() -> None:
    ids = [attributes["id"] for _, attributes in PLAIN.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_tables_have_captions_and_their_headings_have_a_scope() -> None:
    assert len(PLAIN.of("table")) == len(PLAIN.of("caption")) > 0
    assert all(each.get("scope") in ("col", "row") for each in PLAIN.of("th"))


def test_the_page_has_one_title_a_heading_for_each_section_and_a_language() -> None:
    assert [tag for tag, _ in PLAIN.tags if re.fullmatch(r"h\d", tag)] == [
        "h1",
        *["h2"] * len(PLAIN.of("section")),
    ]
    assert PLAIN.of("html") == [{"lang": "en"}]
    assert {each.get("name") for each in PLAIN.of("meta")} >= {"viewport"}


def _lengths(shown: _Page, name: str) -> list[list[float]]:
    """Returns the lengths of the spans within each element that has spans with lengths."""
    found: list[list[float]] = []
    for tag, attributes in shown.tags:
        if tag != "span":
            found.append([])
        elif length := re.fullmatch(rf"{name}: (.*)%", attributes.get("style") or ""):
            found[-1].append(float(length[1]))
    return [lengths for lengths in found if lengths]


_counts = st.dictionaries(st.sampled_from(["open", "null", "x", "closed"]), st.integers(0, 10**12))


@settings(max_examples=60)
@given(
    st.builds(
        Manifest,
        run_id=st.just("run"),
        read=st.integers(0, 10**12),
        written=st.integers(0, 10**12),
        ignored=st.just(0),
        by_value=_counts,
        by_provider=st.dictionaries(st.text(max_size=3), _counts, max_size=30),
        by_derivation=_counts,
        by_source_value_type=_counts,
        by_day=st.dictionaries(st.dates().map(str), st.integers(0, 10**9), max_size=9),
        by_error_code=_counts,
        ignored_by_type=_counts,
        unmapped=st.just([]),
        inputs=st.just([]),
        files=st.just([]),
    )
)
def test_all_counts_are_drawn_within_their_charts(report: Manifest) -> None:
    shown = _Page(_page_of(report))
    for widths in _lengths(shown, "width"):
        assert all(0 <= width <= 100 for width in widths)
        assert sum(widths) <= 100.01
    for heights in _lengths(shown, "height"):
        assert all(0 <= height <= 100 for height in heights)


def test_bars_and_columns_have_the_lengths_of_their_counts() -> None:
    assert _lengths(PLAIN, "width")[:4] == [[70.0, 20.0, 10.0], [100.0], [50.0], [25.0]]
    assert _lengths(PLAIN, "height") == [[100.0, 50.0]]
    assert len(_lengths(PLAIN, "width")) == len(
        [each for each in PLAIN.of("div") if each.get("class") == "bar"]
    )


def test_an_empty_run_has_a_page() -> None:
    shown = _Page(_page_of(Manifest(run_id="none"))).text
    assert "✓ the ledger balances" in shown
    assert "No event was written." in shown


def test_the_figures_are_those_of_the_report() -> None:
    assert "10 read = 7 written + 2 dead-lettered + 1 ignored" in PLAIN.text
    assert "11 of 11 checks hold" in PLAIN.text
    assert "✗ 1 damaged input" in PLAIN.text
    assert "Not drawn: 1 event without a time." in PLAIN.text


def _balanced(**changes: Any) -> str:
    report = _report("x")
    report.by_day.pop("xd")
    for name, value in changes.items():
        setattr(report, name, value)
    return _Page(_page_of(report)).text


@pytest.mark.parametrize(
    "changes",
    [
        {"conserved": False},
        {"read": 11},
        {"by_record_type": {"job": 6}},
        {"by_value": {"open": 6}},
        {"by_provider": {"x": {"open": 6}}},
        {"by_day": {"null": 6}},
        {"by_error_code": {}},
        {"files": []},
    ],
)
def test_a_ledger_that_does_not_balance_is_shown_at_the_top(changes: dict[str, Any]) -> None:
    assert "✓ the ledger balances" in _balanced()
    assert "✗ the ledger does not balance" in _balanced(**changes)


def test_providers_beyond_the_limit_are_called_all_others() -> None:
    providers = {f"p{number}": {"open": 1} for number in range(MAX_PROVIDERS)}
    many = Manifest(run_id="r", written=1, by_provider={**providers, OTHER: {"open": 9}})
    assert "all others" in _Page(_page_of(many)).text
    few = Manifest(run_id="r", written=1, by_provider={OTHER: {"open": 9}})
    assert "all others" not in _Page(_page_of(few)).text


def test_the_page_of_a_run_over_very_many_files_is_small() -> None:
    inputs = [Input(f"/in/{number}", 1, number == 9_999) for number in range(10_000)]
    text = _page_of(Manifest(run_id="r", inputs=inputs))
    assert len(text) < 200_000
    assert "/in/9999" in text
    assert "9,500 more inputs: see the manifest of the run." in text


def test_accounts_without_a_provider_and_providers_without_a_table_are_listed() -> None:
    page = _Page(
        _page_of(
            Manifest(
                run_id="run",
                written=9,
                accounts_without_provider={"17": 3, "null": 1},
                providers_without_table={"greenhouze": 5},
            )
        )
    )
    assert "17 3 33.3 % no account 1 11.1 %" in page.text
    assert "greenhouze 5 55.6 %" in page.text
    assert "without a table" not in _Page(_page_of(Manifest(run_id="run"))).text


def test_the_next_steps_have_commands_to_copy() -> None:
    steps = [
        NextStep("a step", ("job-status", "mapping", "suggest", "my report.json"), "my rules.yaml"),
        NextStep("another", ("job-status", "inspect", "a\x1bb")),
        NextStep("a third"),
    ]
    page = _Page(report_page(Manifest(run_id="r"), PageDetails(steps=steps)))
    assert (
        "a step job-status mapping suggest 'my report.json' > 'my rules.yaml' another" in page.text
    )
    # A command with an escape sequence could not be pasted.
    assert len(page.of("pre")) == 1


def test_the_command_line_and_its_directory_are_shown() -> None:
    details = PageDetails(command="job-status run --input 'a b'", directory="/home/me")
    page = _Page(report_page(Manifest(run_id="r"), details))
    assert "It ran in /home/me. job-status run --input 'a b'" in page.text


def test_the_mapping_file_keeps_its_lines() -> None:
    report = Manifest(run_id="r", unmapped=[Unmapped(None, "b", 1)])
    text = report_page(report, PageDetails(rules="labels:\n  FILL_IN:\n    - <b>"))
    assert "<code>labels:\n  FILL_IN:\n    - &lt;b&gt;\n</code>" in text


def test_a_reason_of_dead_letters_has_its_first_file_line_and_path() -> None:
    assert "plaine: plainm /plainl:3 at $.plainj 1" in PLAIN.text


def test_dead_letters_that_are_in_no_group_are_counted() -> None:
    assert "Not in this table: 1 dead letter." in PLAIN.text
    report = replace(_report("x"), dead_lettered=1)
    assert "Not in this table" not in _Page(report_page(report, _details("x"))).text


def test_providers_with_unmapped_events_are_listed_in_two_orders() -> None:
    by_provider = {
        "large": {"open": 90, "unmapped_value": 10},
        "small": {"unmapped_value": 5},
        "clean": {"open": 1},
    }
    page = _Page(_page_of(Manifest(run_id="r", written=106, by_provider=by_provider)))
    *_, orders = page.text.partition("most events first")
    large, small = "large 10 100 10.0 %", "small 5 5 100 %"
    places = [match.group() for match in re.finditer(f"{large}|{small}", orders)]
    assert places == [large, small, small, large]
    assert [each["id"] for each in page.of("input")] == ["order-count", "order-share"]
    assert "checked" in page.of("input")[0]


def test_each_order_hides_the_other_one() -> None:
    style = _page("x").partition("<style>")[2]
    rule = "#order-count:checked ~ .by-share, #order-share:checked ~ .by-count { display: none; }"
    assert rule in style
    inside = [each.get("class") for each in PLAIN.of("div")]
    assert inside.count("by-count") == inside.count("by-share") == 1


def test_a_spike_is_cut_with_a_mark_and_its_figure() -> None:
    days = {f"2025-05-0{day}": 40 for day in range(1, 9)}
    page = _Page(_page_of(Manifest(run_id="r", written=9, by_day={**days, "2025-05-09": 5_000})))
    assert _lengths(page, "height") == [[100.0] * 9]
    cut = [each for each in page.of("span") if each.get("class") == "accent cut"]
    assert [each["title"] for each in cut] == ["2025-05-09: 5,000"]
    assert "Higher than the chart: 5,000 events in 2025-05-09." in page.text


def test_the_shares_of_the_run_before_stand_beside_those_of_now() -> None:
    assert "plaine ▲ doubled 10.0 % 20.0 %" in PLAIN.text
    assert "The run plainb, committed plainc: 9 read, 8 written, 1 dead letter." in PLAIN.text


def test_unreadable_timestamps_are_listed_by_field() -> None:
    assert "plainu plains 1" in PLAIN.text
