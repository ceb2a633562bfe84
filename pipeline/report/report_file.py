"""The report file of a run: its manifest as JSON, or as a page to look at."""

from __future__ import annotations

from msgspec.structs import replace

from pipeline.report.html import report_page
from schemas.errors import OutputError, UsageError
from schemas.manifest import Manifest
from transforms.storage import file_paths, filesystem, full_path

_JSON = ".json"
_PAGE = ".html"


def check_report(path: str) -> None:
    """Looks whether a report could be written under a name.

    Raises:
        UsageError: The name says of no format that there is, or the scheme of the path is unknown.
    """
    if not path.lower().endswith((_JSON, _PAGE)):
        raise UsageError(
            f"--report {path} is neither {_JSON} nor {_PAGE}",
            "the name says which to write: data for programs, or a page to look at",
        )
    file_paths.check_scheme(path)


def report_of(output: str, manifest: Manifest) -> Manifest:
    """The report of a run: its manifest, with the paths of files in full."""
    files = [replace(file, path=full_path(output, file.path)) for file in manifest.files]
    consumed = [full_path(output, path) for path in manifest.consumed]
    return replace(manifest, files=files, consumed=consumed)


def write_report(path: str, report: Manifest) -> None:
    """Writes the report file; its name says in which format.

    Raises:
        OutputError: It cannot be written.
    """
    data = report_page(report).encode() if path.lower().endswith(_PAGE) else report.to_json()
    try:
        filesystem.write(file_paths.normal(path), data)
    except OutputError as error:
        raise OutputError(
            f"everything was committed, but not the report: {error.message}",
            "the manifest in the output holds the same",
        ) from error
