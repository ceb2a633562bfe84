"""Builds and checks paths, local or with a scheme such as `s3://`."""

from __future__ import annotations

import importlib.util
import os

from schemas.errors import JobStatusError, UsageError
from transforms.local import install_beam_extra
from transforms.storage.beam_filesystems import beam_filesystems

_SCHEME_END = "://"
_LOCAL_SCHEME = "file" + _SCHEME_END

_NEEDED = {"gs": "google.cloud.storage", "s3": "boto3"}
"""Modules that Beam imports only when it opens a path: too late for a clear error."""

_EXTRAS = {"gs": "gcp", "s3": "aws"}


def is_local(path: str) -> bool:
    """Returns whether a path has no scheme, and so is on the machine's own filesystem."""
    return _SCHEME_END not in path


def scheme(path: str) -> str:
    """Returns the text before `://`; empty for a local path."""
    return "" if is_local(path) else path.partition(_SCHEME_END)[0]


def normal(path: str) -> str:
    """Returns a local path as an absolute path without `file://`, and any other path unchanged."""
    path = path.removeprefix(_LOCAL_SCHEME)
    return os.path.abspath(path) if is_local(path) else path


def real(path: str) -> str:
    """Resolves the symbolic links of a local path; returns any other path unchanged."""
    return os.path.realpath(path) if is_local(path) else path


def join(directory: str, *names: str) -> str:
    """Appends names to a directory."""
    return "/".join((directory.rstrip("/"), *names))


def parent(path: str) -> str:
    """Returns the directory of a path."""
    return path.rpartition("/")[0]


def check_utf8(path: str, kind: type[JobStatusError]) -> None:
    """Raises an error of this kind if the bytes of a local path are not UTF-8.

    Linux allows any bytes. Records and manifests hold text, so they could not name the file.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        # The form that a shell understands: $'a\\xff.jsonl'.
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise kind(
            f"the path {shown} is not UTF-8, so records and manifests cannot name it",
            "rename the file or the directory; each \\x.. stands for a byte that is not UTF-8",
        ) from None


def check_path(path: str) -> None:
    """Checks a path of the command line that is not an input.

    Raises:
        UsageError: It is not UTF-8, or no installed filesystem opens its scheme.
    """
    check_utf8(normal(path), UsageError)
    check_scheme(path)


def check_scheme(path: str) -> None:
    """Raises UsageError if no installed filesystem opens the scheme of a path."""
    if is_local(normal(path)):
        return
    needed = _NEEDED.get(scheme(path))
    try:
        if needed is not None and importlib.util.find_spec(needed) is None:
            raise unknown_scheme(path)
        beam_filesystems().get_filesystem(path)
    except (ImportError, ValueError) as error:
        raise unknown_scheme(path) from error


def unknown_scheme(path: str) -> UsageError:
    """Returns the error for a path that no installed filesystem opens."""
    message = f"nothing that is installed can open {scheme(path)}:// ({path})"
    return UsageError(message, what_opens(path))


def what_opens(path: str) -> str:
    """Returns a hint for the user: the package that opens a path with a scheme."""
    extra = _EXTRAS.get(scheme(path))
    if extra is None:
        return "job-status is made for local paths, gs:// and s3://"
    return f"{scheme(path)}:// needs {install_beam_extra(extra)}"
