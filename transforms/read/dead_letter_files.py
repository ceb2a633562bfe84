"""Finds files of dead letters and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

import fastavro
from fastavro.schema import fullname

from schemas.avro import record_schema
from schemas.errors import InputError
from transforms.read.damage import DamagedInputError
from transforms.storage import (
    consumed_before,
    file_paths,
    filesystem,
    full_path,
    read_manifests,
    refuse_links_in,
)

Letter = dict[str, Any]
"""A dead letter, with the fields of its schema."""

_DEAD_LETTER = "dead_letter"
_SUFFIX = ".avro"


class DeadLetterFile(NamedTuple):
    """A file of dead letters: its full path and its size in bytes.

    `records` is the number of letters according to the manifest, or None without a manifest.
    """

    path: str
    size: int
    records: int | None = None


def find_dead_letters(path: str, outputs: Iterable[str] = ()) -> list[DeadLetterFile]:
    """Finds files of dead letters.

    Args:
        path: The output of a run, a directory of dead letters, a file, or a pattern of files.
        outputs: Outputs whose manifests may list the files, beside the outputs that hold them.

    Returns:
        The files, sorted by path.

    Raises:
        InputError: There are no files, or a manifest lists a file that is missing and was not
            replayed.
        ForeignPathError: A link or a manifest in an output leads out of the output.
        OutputError: A manifest cannot be read.
    """
    path = file_paths.normal(path)
    paths = list(_committed(path)) or _files_at(path)
    counts: dict[str, int] = {}
    consumed: set[str] = set()
    for output in {*outputs_of(path, paths), *outputs}:
        counts |= {file_paths.real(each): count for each, count in _committed(output).items()}
        consumed |= {file_paths.real(each) for each in consumed_before(output)}
    return [
        _file(each, counts.get(file_paths.real(each)))
        for each in sorted(paths)
        # A replayed file may be deleted.
        if file_paths.real(each) not in consumed or filesystem.exists(each)
    ]


def outputs_of(path: str, paths: Iterable[str]) -> set[str]:
    """Returns the outputs that may hold files of dead letters: `path` and those of the files."""
    parent = file_paths.parent
    return {file_paths.normal(path), *(parent(parent(each)) for each in paths)}


def replayed(files: Iterable[DeadLetterFile], output: str) -> set[DeadLetterFile]:
    """Returns the files that were replayed into an output."""
    consumed = {file_paths.real(path) for path in consumed_before(output)}
    return {file for file in files if file_paths.real(file.path) in consumed}


def _committed(output: str) -> dict[str, int]:
    """Returns the files of dead letters in the manifests of an output, with their counts."""
    return {
        full_path(output, file.path): file.records
        for _, run in read_manifests(output)
        for file in run.files
        if file.output == _DEAD_LETTER
    }


def _files_at(path: str) -> list[str]:
    matched = filesystem.match(path)
    if matched.files:
        return [file.path for file in matched.files]
    # Links are refused in an output, and allowed in a directory of inputs.
    of_output = file_paths.join(path, _DEAD_LETTER)
    refuse_links_in(path, of_output)
    for directory in (of_output, path):
        files = [file.path for file in filesystem.list_files(directory)]
        if found := [each for each in files if each.endswith(_SUFFIX)]:
            return found
    if filesystem.exists(path):
        return []
    raise InputError(
        f"no dead letters at {path}",
        "give the output of a run, a directory of dead letters, or a pattern of files",
    )


def _file(path: str, records: int | None) -> DeadLetterFile:
    try:
        return DeadLetterFile(path, filesystem.size(path), records)
    except OSError as error:
        raise InputError(
            f"cannot read the dead letters {path}: {filesystem.error_text(error)}",
            "its manifest lists it; bring it back, or give the files that are there",
        ) from error


def letters_of(file: DeadLetterFile) -> Iterator[Letter]:
    """Reads the letters of a file in order.

    Raises:
        DamagedInputError: The file is truncated, corrupt, not a file of dead letters, or holds
            another number of letters than its manifest lists; raised after all that can be read.
        InputError: The file cannot be opened.
    """
    count = end = 0
    with filesystem.open_for_reading(file.path) as opened:
        try:
            blocks = fastavro.block_reader(opened)
            if not _is_dead_letter(blocks.writer_schema):
                raise DamagedInputError("it is an Avro file, but not one of dead letters")
            end = opened.tell()
            for block in blocks:
                for letter in block:
                    count += 1
                    yield cast("Letter", letter)
                end = block.offset + block.size
        except DamagedInputError:
            raise
        except Exception as error:
            # Corrupt bytes can raise any exception, whose text may hold values of the data.
            raise _corrupt(count) from error
    if end != file.size:
        raise _corrupt(count)
    if file.records is not None and count != file.records:
        raise DamagedInputError(f"it holds {count} letters, but its manifest says {file.records}")


def _corrupt(count: int) -> DamagedInputError:
    return DamagedInputError(f"it is truncated or corrupt after {count} letters")


def _is_dead_letter(schema: Any) -> bool:
    expected = fullname(record_schema(_DEAD_LETTER).parsed)
    is_record = isinstance(schema, dict) and schema.get("type") == "record"
    return is_record and fullname(schema) == expected
