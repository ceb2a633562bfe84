"""Files on every filesystem that Beam knows, with errors that say which file and why.

Local paths take the standard library where Beam's own layer hides something: it leaves a file that
cannot be read out of a listing, renames over what is there, and never forces data to disk.
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from schemas.errors import InputError, OutputError
from transforms.storage.file_paths import is_local, join, normal, scheme, unknown_scheme, what_opens
from transforms.storage.s3_session import keep_session

keep_session()

_CLIENT_ERRORS = (
    ("apache_beam.io.aws.clients.s3.messages", "S3ClientError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
)

_MOST_ATTEMPTS = 5
_TOGETHER, _SIDE_BY_SIDE = 100, 16
"""Objects of one request, and requests under way: a copy and a deletion each, spent waiting."""


class FileInfo(NamedTuple):
    """A file and its size in bytes."""

    path: str
    size: int


class Matched(NamedTuple):
    """What a pattern matched: files in the order of their names, and directories, left out."""

    files: list[FileInfo]
    directories: list[str]


def faults() -> tuple[type[Exception], ...]:
    """What filesystems raise: some object stores let the errors of their clients through."""
    loaded = [(sys.modules.get(module), name) for module, name in _CLIENT_ERRORS]
    return (OSError, BeamIOError, *(getattr(module, name) for module, name in loaded if module))


def reason(error: BaseException) -> str:
    """The short reason of a filesystem's error, without a traceback or a list of classes."""
    while isinstance(error, BeamIOError) and error.exception_details:
        error = next(iter(error.exception_details.values()))
    while error.__cause__ is not None and not isinstance(error, OSError):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told = getattr(error, "message", None)
    text = (told if isinstance(told, str) else str(error)).strip()
    return text.splitlines()[-1][:300] if text else type(error).__name__


def match(pattern: str) -> Matched:
    """Finds the files of a pattern.

    Args:
        pattern: A path, or a glob on any filesystem. A local file whose name reads like a glob
            that does not match itself (`a[1].jsonl`) is found by its name.

    Raises:
        InputError: The place cannot be listed, or what is there is no file that can be read from
            its start as often as needed.
        UsageError: No filesystem is installed for the path's scheme.
    """
    pattern = normal(pattern)
    if not is_local(pattern):
        return _match_remote(pattern)
    paths = sorted(set(glob.glob(pattern, recursive=True)))
    if os.path.lexists(pattern) and pattern not in paths:
        paths = [pattern]
    files, directories = [], []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError as error:
            raise InputError(
                f"cannot read the input {path}: {reason(error)}", "mend or remove it"
            ) from error
        if stat.S_ISDIR(found.st_mode):
            directories.append(path)
        elif stat.S_ISREG(found.st_mode):
            files.append(FileInfo(path, found.st_size))
        else:
            # A pipe says that it holds 0 bytes: it would pass for an empty file.
            raise InputError(
                f"cannot read the input {path}: it is a pipe or a device, not a file",
                "write it to a file first, or leave it out of the pattern",
            )
    return Matched(files, directories)


def _match_remote(pattern: str) -> Matched:
    try:
        found = FileSystems.match([pattern])[0].metadata_list
    except BeamIOError as error:
        raise InputError(
            f"cannot look for {pattern}: {reason(error)}",
            f"check the path and your credentials; {what_opens(pattern)}",
        ) from error
    except ValueError as error:
        raise unknown_scheme(pattern) from error
    return Matched(sorted(FileInfo(item.path, item.size_in_bytes) for item in found), [])


def open_for_reading(path: str) -> BinaryIO:
    """Opens a file at its start, as it is; a compressed one is not decompressed.

    Raises:
        InputError: It cannot be opened.
        UsageError: No filesystem is installed for the path's scheme.
    """
    try:
        file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except faults() as error:
        raise InputError(f"cannot open the input {path}: {reason(error)}") from error
    except ValueError as error:
        raise unknown_scheme(path) from error
    return file


def create(path: str) -> BinaryIO:
    """Creates a file, and where the filesystem has directories, those above it.

    Raises:
        OutputError: It cannot be created.
    """
    try:
        return _create(path)
    except faults() as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error
    except ValueError as error:
        raise unknown_scheme(path) from error


def _create(path: str) -> BinaryIO:
    for _ in range(_MOST_ATTEMPTS - 1):
        # A run that ends beside this one removes directories that it finds empty.
        with suppress(FileNotFoundError):
            return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)


def close_durably(file: BinaryIO, path: str) -> None:
    """Closes a file so that it survives a crash of the machine: forced to disk where it is local.

    An object store keeps what was closed.
    """
    if is_local(path):
        file.flush()
        os.fsync(file.fileno())
    file.close()


def write(path: str, data: bytes) -> None:
    """Writes a small file durably; on local disk it appears whole or not at all."""
    # Two may write the same file at the same time: each has its own until it is whole.
    is_plain = is_local(path) and (os.path.isfile(path) or not os.path.exists(path))
    place = f"{path}.{secrets.token_hex(4)}.part" if is_plain else path
    try:
        with create(place) as file:
            file.write(data)
            if is_plain:
                close_durably(file, place)
        if is_plain:
            os.replace(place, path)
            _sync_directories([path])
    except faults() as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error


def read(path: str) -> bytes:
    """Reads a small file whole."""
    with open_for_reading(path) as file:
        return file.read()


def exists(path: str) -> bool:
    """Whether there is a file or a directory."""
    return bool(os.path.lexists(path) if is_local(path) else FileSystems.exists(path))


def size(path: str) -> int:
    """Size of a file in bytes."""
    return os.stat(path).st_size if is_local(path) else FileSystems.get_filesystem(path).size(path)


def list_files(directory: str, prefix: str = "") -> list[FileInfo]:
    """The files right in a directory whose names begin with `prefix`; none if it is not there.

    Raises:
        OutputError: It is there and cannot be listed.
    """
    try:
        if is_local(directory):
            with os.scandir(directory) as entries:
                return sorted(_files_among(e for e in entries if e.name.startswith(prefix)))
        found = FileSystems.match([join(directory, f"{prefix}*")])[0].metadata_list
    except (FileNotFoundError, NotADirectoryError):
        return []
    except faults() as error:
        raise OutputError(f"cannot list {directory}: {reason(error)}") from error
    except ValueError as error:
        raise unknown_scheme(directory) from error
    return sorted(FileInfo(item.path, item.size_in_bytes) for item in found)


def _files_among(entries: Iterable[os.DirEntry[str]]) -> Iterator[FileInfo]:
    for entry in entries:
        # Another run may remove its files meanwhile: that says nothing of the others.
        with suppress(FileNotFoundError):
            if entry.is_file():
                yield FileInfo(entry.path, entry.stat().st_size)


def list_directories(directory: str) -> list[str]:
    """The names of the directories right in a directory; none where there is no such directory.

    Raises:
        OutputError: It is there and cannot be listed.
    """
    try:
        if is_local(directory):
            with os.scandir(directory) as entries:
                return sorted(
                    entry.name for entry in entries if entry.is_dir(follow_symlinks=False)
                )
        prefix = directory.rstrip("/") + "/"
        found = FileSystems.match([prefix + "**"])[0].metadata_list
    except (FileNotFoundError, NotADirectoryError):
        return []
    except faults() as error:
        raise OutputError(f"cannot list {directory}: {reason(error)}") from error
    names = {item.path.removeprefix(prefix) for item in found}
    return sorted({name.partition("/")[0] for name in names if "/" in name})


def links(directory: str) -> list[str]:
    """The symbolic links right in a directory; none where there is no such directory.

    Raises:
        OutputError: It is there and cannot be listed.
    """
    if not is_local(directory):
        return []
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries if entry.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise OutputError(f"cannot list {directory}: {reason(error)}") from error


def rename(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files, and forces the new names to disk where they are local.

    Raises:
        OutputError: Some could not be renamed.
    """
    source_of = {target: source for source, target in pairs}
    for targets in _by_filesystem(source_of):
        sources = [source_of[target] for target in targets]
        try:
            if is_local(targets[0]):
                for directory in {os.path.dirname(target) for target in targets}:
                    os.makedirs(directory, exist_ok=True)
                FileSystems.rename(sources, targets)
            else:
                _rename_objects(sources, targets)
            _sync_directories(targets)
        except faults() as error:
            directory = os.path.dirname(targets[0])
            raise OutputError(f"cannot rename files into {directory}: {reason(error)}") from error


def _rename_objects(sources: list[str], targets: list[str]) -> None:
    pieces = [slice(start, start + _TOGETHER) for start in range(0, len(targets), _TOGETHER)]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        renames = [
            threads.submit(FileSystems.rename, sources[piece], targets[piece]) for piece in pieces
        ]
    # By now all are done that can be; the next try has less to do.
    for each in renames:
        each.result()


def _by_filesystem(paths: Iterable[str]) -> list[list[str]]:
    # The outputs of a run may lie on two, and Beam asks the one of the first path for all of them.
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(scheme(path), []).append(path)
    return list(groups.values())


def _sync_directories(paths: Iterable[str]) -> None:
    for directory in {os.path.dirname(path) for path in paths if is_local(path)}:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def delete(paths: Sequence[str]) -> None:
    """Deletes files and trees of files; what is already gone is no error.

    Raises:
        OutputError: Something is still there that could not be deleted.
    """
    for group in _by_filesystem(paths):
        try:
            if is_local(group[0]):
                for path in group:
                    _delete_local(path)
            else:
                FileSystems.delete(group)
        except faults() as error:
            left = [path for path in group if exists(path)]
            if left:
                raise OutputError(f"cannot delete {left[0]}: {reason(error)}") from error


def _delete_local(path: str) -> None:
    # With a slash behind it, a link to a directory passes for the directory.
    path = path.rstrip("/")
    # Beam would take a path with a bracket in it for a pattern.
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def remove_if_empty(directory: str) -> None:
    """Removes a local directory that holds nothing; object stores have none."""
    if is_local(directory):
        with suppress(OSError):
            os.rmdir(directory)


def newest_change(directory: str) -> float | None:
    """When a file below a directory last changed, in seconds since 1970; None without files."""
    if is_local(directory):
        newest = None
        for where, _, names in os.walk(directory):
            for name in names:
                with suppress(FileNotFoundError):
                    status = os.lstat(os.path.join(where, name))
                    if not stat.S_ISLNK(status.st_mode):
                        newest = max(newest or status.st_mtime, status.st_mtime)
        return newest
    found = FileSystems.match([join(directory, "**")])[0].metadata_list
    return max((item.last_updated_in_seconds for item in found), default=None)
