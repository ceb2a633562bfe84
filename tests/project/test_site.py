"""The pages in docs/ are a site and can be read on GitHub: each is listed, and its links work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
OVERVIEW = "README.md"

KINDS = ["Tutorial", "How-to guides", "Reference", "Explanation"]

needs_tools = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the tools of the site need Python 3.11"
)


def navigation() -> dict[str, list[str]]:
    """Returns the pages of each section of the site; those of "" are outside of all sections."""
    # This loader does not resolve the names of Python functions.
    entries = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), yaml.BaseLoader)["nav"]
    sections: dict[str, list[str]] = {"": []}
    for entry in entries:
        if isinstance(entry, dict):
            sections.update(entry)
        else:
            sections[""].append(entry)
    return sections


def text_of(page: str) -> str:
    """Returns a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", (DOCS / page).read_text("utf-8"), flags=re.M | re.S)


def links(page: str) -> list[tuple[str, str]]:
    """Returns the relative links of a page: file and anchor, each possibly empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    return [each.partition("#")[::2] for each in targets if "://" not in each]


def anchors(page: str) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


class TestNavigation:
    def test_it_has_each_page_once(self) -> None:
        found = [page for pages in navigation().values() for page in pages]
        assert sorted(found) == PAGES

    def test_the_four_kinds_of_pages_are_apart(self) -> None:
        assert list(navigation()) == ["", *KINDS]
        assert navigation()[""] == [OVERVIEW]

    def test_the_overview_has_the_same_order(self) -> None:
        sections = re.split(r"^## (.*)$", text_of(OVERVIEW), flags=re.MULTILINE)[1:]
        listed = {
            title: re.findall(r"^- \[[^]]+\]\((.*?)\)", body, re.MULTILINE)
            for title, body in zip(sections[::2], sections[1::2], strict=True)
        }
        assert listed == {kind: navigation()[kind] for kind in KINDS}


class TestLinks:
    @pytest.mark.parametrize("page", PAGES)
    def test_each_leads_to_a_file_in_docs_and_to_a_heading(self, page: str) -> None:
        for file, anchor in links(page):
            target = file or page
            # A file outside of docs/ is not on the site.
            assert ".." not in target and (DOCS / target).is_file(), target
            assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site; any warning fails its build."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(DOCS, folder / "docs")
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder / "site"


@needs_tools
class TestSite:
    def test_each_page_has_its_address(self, built: Path) -> None:
        for page in PAGES:
            name = "" if page == OVERVIEW else page.removesuffix(".md")
            assert (built / name / "index.html").exists(), page

    def test_a_page_loads_nothing_from_another_host(self, built: Path) -> None:
        html = (built / "index.html").read_text("utf-8")
        assert "<link" in html and "<script" in html
        assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?:https?:)?//", html)


@needs_tools
def test_the_page_of_the_public_names_is_made_from_their_docstrings() -> None:
    from scripts.api_docs import markdown

    assert (DOCS / "api.md").read_text("utf-8") == markdown()
