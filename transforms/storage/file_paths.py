"""Paths of files on every filesystem that Beam knows: how they are written, and what opens them."""

from __future__ import annotations

import importlib.util
import os

from apache_beam.io.filesystems import FileSystems

from schemas.errors import UsageError
from transforms.local import install_beam_extra

_SCHEME_END = "://"
_LOCAL_SCHEME = "file" + _SCHEME_END

_NEEDED = {"gs": "google.cloud.storage", "s3": "boto3"}
"""What Beam itself imports so late that its error comes in the middle of the work."""

_EXTRAS = {"gs": "gcp", "s3": "aws"}


def is_local(path: str) -> bool:
    """Whether the path is on the machine's own filesystem."""
    return _SCHEME_END not in path


def scheme(path: str) -> str:
    """What stands before `://`: empty for a local path."""
    return "" if is_local(path) else path.partition(_SCHEME_END)[0]


def normal(path: str) -> str:
    """The one way to write a path: absolute if it is local, else as it is."""
    path = path.removeprefix(_LOCAL_SCHEME)
    return os.path.abspath(path) if is_local(path) else path


def real(path: str) -> str:
    """The file behind a path: where its symbolic links lead, if it is local."""
    return os.path.realpath(path) if is_local(path) else path


def join(directory: str, *names: str) -> str:
    """Joins names on to a directory."""
    return "/".join((directory.rstrip("/"), *names))


def check_scheme(path: str) -> None:
    """Looks whether what opens paths of this scheme is installed.

    Raises:
        UsageError: It is not.
    """
    if is_local(normal(path)):
        return
    needed = _NEEDED.get(scheme(path))
    try:
        if needed is not None and importlib.util.find_spec(needed) is None:
            raise unknown_scheme(path)
        FileSystems.get_filesystem(path)
    except (ImportError, ValueError) as error:
        raise unknown_scheme(path) from error


def unknown_scheme(path: str) -> UsageError:
    """The error for a path that nothing opens."""
    message = f"nothing that is installed can open {scheme(path)}:// ({path})"
    return UsageError(message, what_opens(path))


def what_opens(path: str) -> str:
    """What has to be installed for a path that is not local, for people."""
    extra = _EXTRAS.get(scheme(path))
    if extra is None:
        return "job-status is made for local paths, gs:// and s3://"
    return f"{scheme(path)}:// needs {install_beam_extra(extra)}"
