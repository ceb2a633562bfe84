"""Reads, writes, lists, renames and deletes files; errors name the file and the reason.

Raises InputError for a file that cannot be read, OutputError for every other failure, and
UsageError if no filesystem is installed for the scheme of a path.

A path with a scheme is opened by one of Beam's filesystems. A local path is opened by the standard
library: Beam's own layer omits unreadable files from a listing, and never forces data to disk.
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
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from schemas.errors import InputError, JobStatusError, OutputError
from transforms.storage import file_paths
from transforms.storage.beam_filesystems import beam_filesystems
from transforms.storage.file_paths import is_local, join, normal, scheme, unknown_scheme, what_opens

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata

_CLIENT_ERRORS = (
    ("apache_beam.io.aws.clients.s3.messages", "S3ClientError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
)

_UNCOMPRESSED = "uncompressed"
"""Beam's name for a file that it neither compresses nor decompresses."""

_MAX_ATTEMPTS = 5
_OBJECTS_PER_REQUEST, _PARALLEL_REQUESTS = 100, 16
"""Limits of a rename of objects. Each object is copied and deleted, which is time spent waiting."""


class FileInfo(NamedTuple):
    """A file and its size in bytes."""

    path: str
    size: int


class InputFile(NamedTuple):
    """A file in a certain state.

    Attributes:
        path: Its path.
        size: In bytes.
        modified_ns: Time of the last change, in nanoseconds since 1970; None if it is not known.
    """

    path: str
    size: int
    modified_ns: int | None = None


class Matched(NamedTuple):
    """The files that match a pattern, sorted by path, and the directories that match it."""

    files: list[InputFile]
    directories: list[str]


def storage_errors() -> tuple[type[Exception], ...]:
    """Returns the error types of filesystems: OSError, as Beam's own, and those of the clients."""
    loaded = [(sys.modules.get(module), name) for module, name in _CLIENT_ERRORS]
    return (OSError, *(getattr(module, name) for module, name in loaded if module))


def error_text(error: BaseException) -> str:
    """Returns the reason of a filesystem's error in one line, without traceback or class names."""
    # Beam's error holds an error for each path.
    while details := getattr(error, "exception_details", None):
        error = next(iter(details.values()))
    while error.__cause__ is not None and not isinstance(error, OSError):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    message = getattr(error, "message", None)
    text = (message if isinstance(message, str) else str(error)).strip()
    return text.splitlines()[-1][:300] if text else type(error).__name__


@contextmanager
def _errors_as(
    kind: type[JobStatusError], task: str, path: str, hint: str | None = None
) -> Iterator[None]:
    """Raises a filesystem's error as `kind`, and Beam's ValueError for a scheme as UsageError."""
    try:
        yield
    except storage_errors() as error:
        raise kind(f"cannot {task}: {error_text(error)}", hint) from error
    except ValueError as error:
        raise unknown_scheme(path) from error


def match(pattern: str) -> Matched:
    """Finds the files that match a pattern.

    Args:
        pattern: A path, or a glob on any filesystem. A local file whose name is a glob that does
            not match the name (`a[1].jsonl`) is found by its name.

    Raises:
        InputError: The filesystem cannot be listed, a file cannot be read, its path or the pattern
            is not UTF-8, or a match is a pipe or a device: the input is read more than once.
    """
    pattern = normal(pattern)
    file_paths.check_utf8(pattern, InputError)
    if not is_local(pattern):
        hint = f"check the path and your credentials; {what_opens(pattern)}"
        with _errors_as(InputError, f"search for {pattern}", pattern, hint):
            remote = _match_remote(pattern)
        return Matched([_input_file(each) for each in remote], [])
    paths = sorted(set(glob.glob(pattern, recursive=True)))
    if os.path.lexists(pattern) and pattern not in paths:
        paths = [pattern]
    files, directories = [], []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError as error:
            raise InputError(
                f"cannot read the input {path}: {error_text(error)}", "repair or remove it"
            ) from error
        if stat.S_ISDIR(found.st_mode):
            directories.append(path)
        elif stat.S_ISREG(found.st_mode):
            file_paths.check_utf8(path, InputError)
            files.append(InputFile(path, found.st_size, found.st_mtime_ns))
        else:
            # The size of a pipe is 0 bytes: it would count as an empty file.
            raise InputError(
                f"cannot read the input {path}: it is a pipe or a device, not a file",
                "write it to a file first, or leave it out of the pattern",
            )
    return Matched(files, directories)


def _match_remote(pattern: str) -> list[FileMetadata]:
    found = beam_filesystems().match([pattern])[0].metadata_list
    return sorted(found, key=lambda item: item.path)


def _input_file(found: FileMetadata) -> InputFile:
    # Beam gives the time 0 if it does not know it.
    modified_ns = round(found.last_updated_in_seconds * 1e9) or None
    return InputFile(found.path, found.size_in_bytes, modified_ns)


def open_for_reading(path: str) -> BinaryIO:
    """Opens a file at its start, without decompressing it; raises InputError."""
    with _errors_as(InputError, f"open the input {path}", path):
        if is_local(path):
            return open(path, "rb")
        return beam_filesystems().open(path, compression_type=_UNCOMPRESSED)


def create(path: str, name: str | None = None) -> BinaryIO:
    """Creates a file and, on a filesystem with directories, the directories above it.

    Errors name `name` if the file is to be renamed to it.
    """
    with _errors_as(OutputError, f"write {name or path}", path):
        for _ in range(_MAX_ATTEMPTS - 1):
            # A run that ends at the same time removes directories that it finds empty.
            with suppress(FileNotFoundError):
                return _create(path)
        return _create(path)


def _create(path: str) -> BinaryIO:
    if not is_local(path):
        return beam_filesystems().create(path, compression_type=_UNCOMPRESSED)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return open(path, "wb")


def close_durably(file: BinaryIO, path: str) -> None:
    """Closes a file and, if it is local, forces it to disk; an object store keeps a closed file."""
    if is_local(path):
        file.flush()
        os.fsync(file.fileno())
    file.close()


def write(path: str, data: bytes) -> None:
    """Writes a small file durably; on local disk it appears complete or not at all."""
    is_plain = is_local(path) and (os.path.isfile(path) or not os.path.exists(path))
    # Two runs may write the same file at the same time: each writes a part file of its own.
    part = f"{path}.{secrets.token_hex(4)}.part" if is_plain else path
    with _errors_as(OutputError, f"write {path}", path):
        try:
            with create(part, path) as file:
                file.write(data)
                if is_plain:
                    close_durably(file, part)
            if is_plain:
                os.replace(part, path)
        except BaseException:
            if is_plain:
                with suppress(OSError):
                    os.remove(part)
            raise
        if is_plain:
            _sync_directories([path])


def touch(path: str, data: bytes) -> None:
    """Makes now the time of the last change of a small file with this content.

    Does not create a local file that is gone: another thread may be removing its directory.
    """
    if not is_local(path):
        write(path, data)  # an object has no time of its own to set
        return
    with _errors_as(OutputError, f"write {path}", path):
        os.utime(path)


def read(path: str) -> bytes:
    """Reads a small file; raises InputError."""
    with open_for_reading(path) as file:
        return file.read()


def exists(path: str) -> bool:
    """Returns whether a file, a directory or, locally, a link exists."""
    return os.path.lexists(path) if is_local(path) else bool(beam_filesystems().exists(path))


def size(path: str) -> int:
    """Returns the size of a file in bytes."""
    if is_local(path):
        return os.stat(path).st_size
    return int(beam_filesystems().get_filesystem(path).size(path))


def list_files(directory: str, prefix: str = "") -> list[FileInfo]:
    """Lists the files in a directory by name prefix; empty if the directory is missing."""
    return files_and_links(directory, prefix)[0]


def files_and_links(directory: str, prefix: str = "") -> tuple[list[FileInfo], list[str]]:
    """Lists the files in a directory as `list_files` does, and its links as `links` does."""
    with _errors_as(OutputError, f"list {directory}", directory):
        if is_local(directory):
            entries, files = _entries(directory, prefix), []
            for entry in entries:
                # Another run may remove its files at the same time; list the others.
                with suppress(FileNotFoundError):
                    if entry.is_file():
                        files.append(FileInfo(entry.path, entry.stat().st_size))
            return sorted(files), _links_among(entries)
        found = _match_remote(join(directory, f"{prefix}*"))
        return [FileInfo(each.path, each.size_in_bytes) for each in found], []


def _entries(directory: str, prefix: str = "") -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_directories(directory: str) -> list[str]:
    """Lists the names of the directories in a directory; empty if the directory is missing."""
    with _errors_as(OutputError, f"list {directory}", directory):
        if is_local(directory):
            entries = _entries(directory)
            return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
        start = join(directory, "")
        names = [file.path.removeprefix(start) for file in _match_remote(f"{start}**")]
        return sorted({name.partition("/")[0] for name in names if "/" in name})


def links(directory: str) -> list[str]:
    """Lists the symbolic links in a directory; empty if the directory is missing."""
    if not is_local(directory):
        return []
    with _errors_as(OutputError, f"list {directory}", directory):
        return _links_among(_entries(directory))


def _links_among(entries: Iterable[os.DirEntry[str]]) -> list[str]:
    return sorted(entry.path for entry in entries if entry.is_symlink())


def rename(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files from source to target, and forces the new names to disk if they are local.

    If a file cannot be renamed, the others are: a retry has less to do.
    """
    source_of = {target: source for source, target in pairs}
    for targets in _by_filesystem(source_of):
        sources = [source_of[target] for target in targets]
        task = f"rename files into {os.path.dirname(targets[0])}"
        with _errors_as(OutputError, task, targets[0]):
            if is_local(targets[0]):
                _rename_local(sources, targets)
            else:
                _rename_objects(sources, targets)


def _rename_local(sources: list[str], targets: list[str]) -> None:
    for directory in {os.path.dirname(target) for target in targets}:
        os.makedirs(directory, exist_ok=True)
    errors = []
    for source, target in zip(sources, targets, strict=True):
        try:
            os.rename(source, target)
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    _sync_directories(targets)


def _rename_objects(sources: list[str], targets: list[str]) -> None:
    starts = range(0, len(targets), _OBJECTS_PER_REQUEST)
    parts = [slice(start, start + _OBJECTS_PER_REQUEST) for start in starts]
    rename_some = beam_filesystems().rename
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as threads:
        renames = [threads.submit(rename_some, sources[part], targets[part]) for part in parts]
    # All have ended by now.
    for each in renames:
        each.result()


def _by_filesystem(paths: Iterable[str]) -> list[list[str]]:
    # A run may write to two filesystems. Beam passes all paths to the filesystem of the first one.
    return [list(group) for _, group in groupby(sorted(paths, key=scheme), scheme)]


def _sync_directories(paths: Iterable[str]) -> None:
    for directory in {os.path.dirname(path) for path in paths}:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def delete(paths: Sequence[str]) -> None:
    """Deletes files, and directories with all their files; a missing path is not an error."""
    for group in _by_filesystem(paths):
        try:
            if is_local(group[0]):
                for path in group:
                    _delete_local(path)
            else:
                beam_filesystems().delete(group)
        except storage_errors() as error:
            left = [path for path in group if exists(path)]
            if left:
                raise OutputError(f"cannot delete {left[0]}: {error_text(error)}") from error


def _delete_local(path: str) -> None:
    # With a trailing slash, a link to a directory would count as the directory.
    path = path.rstrip("/")
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def remove_if_empty(directory: str) -> None:
    """Removes a local directory if it is empty; does nothing on an object store."""
    if is_local(directory):
        with suppress(OSError):
            os.rmdir(directory)


def files_below(directory: str) -> list[InputFile]:
    """Lists all files below a directory without links; empty if the directory is missing."""
    with _errors_as(OutputError, f"list {directory}", directory):
        if not is_local(directory):
            return [_input_file(each) for each in _match_remote(join(directory, "**"))]
        found = []
        for parent, _, names in os.walk(directory):
            for path in (os.path.join(parent, name) for name in names):
                # Another run may remove its files at the same time; list the others.
                with suppress(FileNotFoundError):
                    status = os.lstat(path)
                    if not stat.S_ISLNK(status.st_mode):
                        found.append(InputFile(path, status.st_size, status.st_mtime_ns))
        return found
