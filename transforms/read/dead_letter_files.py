"""Finds files of dead letters and reads them, letter by letter, never cut short in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import fastavro

from schemas.avro import record_schema
from schemas.errors import InputError
from transforms.read.compression import DamagedInputError
from transforms.storage import consumed_before, file_paths, filesystem, full_path, refuse_links_in
from transforms.storage.manifests import manifests

Letter = dict[str, Any]
"""A dead letter, as its schema has it."""

_DEAD_LETTER = "dead_letter"
_SUFFIX = ".avro"


class DeadLetterFile(NamedTuple):
    """A file of dead letters.

    Attributes:
        path: In full.
        size: In bytes.
        records: How many letters its manifest says that it holds, or None where there is none.
    """

    path: str
    size: int
    records: int | None = None


def find_dead_letters(path: str, outputs: Iterable[str] = ()) -> list[DeadLetterFile]:
    """Finds the files of dead letters at a place.

    Args:
        path: The output of a run, a directory of dead letters, a file, or a pattern of files.
        outputs: Outputs whose manifests may know the files, beside the one they lie in.

    Returns:
        The files in the order of their names.

    Raises:
        InputError: There is nothing, or a manifest lists a file that is missing and that was not
            replayed.
        ForeignPathError: A link or a manifest in an output leads to what is not its own.
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
        # What was replayed may be deleted.
        if file_paths.real(each) not in consumed or filesystem.exists(each)
    ]


def outputs_of(path: str, paths: Iterable[str]) -> set[str]:
    """The outputs that files of dead letters may belong to: where they lie, and what was named."""
    return {
        file_paths.normal(path),
        *(each.rpartition("/")[0].rpartition("/")[0] for each in paths),
    }


def replayed(files: Iterable[DeadLetterFile], output: str) -> set[DeadLetterFile]:
    """Those files that a replay into an output has run again."""
    consumed = {file_paths.real(path) for path in consumed_before(output)}
    return {file for file in files if file_paths.real(file.path) in consumed}


def _committed(output: str) -> dict[str, int]:
    """The files of dead letters that the manifests of an output list, and how many they hold."""
    return {
        full_path(output, file.path): file.records
        for _, run in manifests(output)
        for file in run.files
        if file.output == _DEAD_LETTER
    }


def _files_at(path: str) -> list[str]:
    matched = filesystem.match(path)
    if matched.files:
        return [file.path for file in matched.files]
    # What lies there would be that of an output, which holds no links; elsewhere they are inputs.
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
            f"cannot read the dead letters {path}: {filesystem.reason(error)}",
            "its manifest lists it; bring it back, or give the files that are there",
        ) from error


def letters_of(file: DeadLetterFile) -> Iterator[Letter]:
    """Reads the letters of a file in their order.

    Raises:
        DamagedInputError: It holds no dead letters, is cut off or corrupt, or holds another
            number of letters than its manifest says; raised behind all that can be read.
        InputError: It cannot be opened.
    """
    count = 0
    with filesystem.open_for_reading(file.path) as opened:
        end = 0
        try:
            blocks = fastavro.block_reader(opened)
            if _name_of(blocks.writer_schema) != _name_of(record_schema(_DEAD_LETTER).parsed):
                raise DamagedInputError("it is an Avro file, but not one of dead letters")
            end = opened.tell()
            for block in blocks:
                for letter in block:
                    count += 1
                    yield _checked(letter)
                end = block.offset + block.size
        except DamagedInputError:
            raise
        except Exception as error:
            # Whatever bytes can do to a decoder; what it says may hold some of them.
            raise DamagedInputError(_corrupt(count)) from error
    if end != file.size:
        raise DamagedInputError(_corrupt(count))
    if file.records is not None and count != file.records:
        raise DamagedInputError(f"it holds {count} letters, but its manifest says {file.records}")


def _corrupt(count: int) -> str:
    return f"it is cut off or corrupt behind {count} letters"


def _name_of(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return None
    name, namespace = str(schema.get("name")), schema.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _checked(letter: Any) -> Letter:
    if not isinstance(letter, dict):
        raise DamagedInputError("it is an Avro file, but not one of dead letters")
    return letter
