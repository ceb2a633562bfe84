"""Writes the report file of a run: its manifest as JSON, or an HTML page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from schemas.errors import OutputError, UsageError
from schemas.manifest import Manifest
from transforms.storage import file_paths, filesystem, full_path

if TYPE_CHECKING:
    from pipeline.report.html import PageDetails

_JSON = ".json"
_PAGE = ".html"


def check_report(path: str) -> None:
    """Checks the name of a report file.

    Raises:
        UsageError: The name has no known extension, or the path is not UTF-8, or nothing opens its
            scheme.
    """
    if not path.lower().endswith((_JSON, _PAGE)):
        raise UsageError(
            f"--report {path} is neither {_JSON} nor {_PAGE}",
            f"the name decides the format: {_JSON} for programs, {_PAGE} for people",
        )
    file_paths.check_path(path)


def report_of(output: str, manifest: Manifest) -> Manifest:
    """Returns the report of a run: its manifest with full paths of files."""
    files = [replace(file, path=full_path(output, file.path)) for file in manifest.files]
    consumed = [full_path(output, path) for path in manifest.consumed]
    return replace(manifest, files=files, consumed=consumed)


def write_report(path: str, report: Manifest, details: Callable[[], PageDetails]) -> None:
    """Writes the report file in the format of its extension; `details` are for the page only.

    Raises:
        OutputError: The file cannot be written.
    """
    if path.lower().endswith(_PAGE):
        from pipeline.report.html import report_page  # most runs do not need Jinja2

        data = report_page(report, details()).encode()
    else:
        data = report.to_json()
    try:
        filesystem.write(file_paths.normal(path), data)
    except OutputError as error:
        raise OutputError(
            f"everything was committed, but not the report: {error.message}",
            "the manifest in the output has the same content",
        ) from error
