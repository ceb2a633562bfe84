"""Leaves out the libraries that a run does not use while Beam is imported.

Beam imports the clients of every cloud that is installed, and pandas. That takes as long as all the
rest, and Beam works without them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

_FILESYSTEMS = (
    "apache_beam.io.aws.s3filesystem",
    "apache_beam.io.azure.blobstoragefilesystem",
    "apache_beam.io.gcp.gcsfilesystem",
)
_OPTIONAL = frozenset(
    {
        *_FILESYSTEMS,
        "apache_beam.io.gcp.bigquery",
        "apitools",
        "bson",
        "dill",
        "google.api_core",
        "google.cloud",
    }
)
"""Modules that Beam imports if they are installed."""

_UNUSED = frozenset({"pandas"})
"""Modules that Beam imports if they are installed, and that no run uses."""

_LATE = frozenset({"httplib2", "requests"})
"""Modules that Beam uses in functions only, so that they can be loaded on their first use."""

_USES = ("://", "projects/", "dataflow", "dill", "--debug")
"""Parts of arguments that may need an optional module: a path, a subscription, a runner, a pickler.
With --debug, Beam logs what is missing."""


@contextmanager
def lean_imports(arguments: Sequence[str]) -> Iterator[None]:
    """Hides modules from the imports of a block: those that no argument may need."""
    text = "\n".join(arguments).replace("file://", "").lower()
    needs_all = any(use in text for use in _USES)
    finder = _Finder(_UNUSED if needs_all else _UNUSED | _OPTIONAL)
    sys.meta_path.insert(0, finder)
    try:
        if needs_all:
            _import_filesystems()
        yield
    finally:
        sys.meta_path.remove(finder)


def _import_filesystems() -> None:
    """Imports filesystems that were hidden before, when an earlier command of this process ran."""
    for name in _FILESYSTEMS if "apache_beam" in sys.modules else ():
        with suppress(ImportError):
            import_module(name)


class _Finder(MetaPathFinder):
    def __init__(self, hidden: frozenset[str]) -> None:
        self._hidden = hidden

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self._hidden:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
        spec = PathFinder.find_spec(name, path, target) if name in _LATE else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
