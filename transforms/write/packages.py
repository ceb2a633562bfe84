"""Packages: the encoded blocks of one pulled block, as they cross a GroupByKey.

An engine holds what crosses a GroupByKey in memory, at several times its size. So a large package
is a file in the staging directory of the run, and only its name crosses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from schemas.errors import InputError, OutputError
from transforms.blocks import EncodedBlock, PendingAcks, packed, unpacked
from transforms.storage import file_paths, filesystem, staging_directory
from transforms.write.settings import CommitSettings

_LARGE_BYTES = 256 << 10
_END = ".blocks"


class Package(Struct):
    """The encoded blocks of one pulled block.

    Attributes:
        pending_acks: The acknowledgements of its messages.
        blocks: The blocks, or none if they are in a file.
        file: The name of the file, or "".
    """

    pending_acks: list[PendingAcks]
    blocks: list[EncodedBlock]
    file: str = ""


def packed_blocks(settings: CommitSettings, blocks: list[EncodedBlock]) -> bytes:
    """Packs blocks, the large ones into a file; `settings` are those of the run.

    Raises:
        OutputError: The file cannot be written. A retry writes the same file.
    """
    pending_acks = [each for block in blocks for each in block.ledger.pending_acks]
    if sum(block.size for block in blocks) < _LARGE_BYTES:
        return packed(Package(pending_acks, blocks))
    data = packed(blocks)
    name = hashlib.sha256(data).hexdigest()[:32] + _END
    filesystem.write(_path(settings, name), data)
    return packed(Package(pending_acks, [], name))


def package_of(element: bytes) -> Package:
    """Unpacks a package, but not its file."""
    return unpacked(element, Package)


def blocks_of(settings: CommitSettings, package: Package) -> list[EncodedBlock]:
    """Returns the blocks of a package; raises OutputError if its file cannot be read."""
    if not package.file:
        return package.blocks
    try:
        return unpacked(filesystem.read(_path(settings, package.file)), list[EncodedBlock])
    except InputError as error:
        raise OutputError(error.message.replace("the input ", "")) from error


def missing_files(settings: CommitSettings, packages: Iterable[Package]) -> set[str]:
    """Returns the names of the files that are gone."""
    names = {package.file for package in packages if package.file}
    if not names:
        return names
    found = filesystem.list_files(_directory(settings))
    return names - {path.rpartition("/")[2] for path, _ in found}


def delete_files(settings: CommitSettings, packages: Iterable[Package]) -> None:
    """Deletes the files of packages that are committed."""
    filesystem.delete([_path(settings, package.file) for package in packages if package.file])


def _path(settings: CommitSettings, name: str) -> str:
    return file_paths.join(_directory(settings), name)


def _directory(settings: CommitSettings) -> str:
    return staging_directory(settings.output, settings.run_id)
