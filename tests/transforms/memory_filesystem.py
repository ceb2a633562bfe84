"""An object store in memory, under `mem://`, with the properties that all object stores share.

It has no directories. A rename is a copy and a deletion. An object appears when it is closed. Only
a path that ends with a slash means all objects below it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, ClassVar

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem


class _Upload(io.BytesIO):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            MemoryFileSystem.objects[self._path] = self.getvalue()
        super().close()


class MemoryFileSystem(FileSystem):
    """The filesystem. All instances share their objects."""

    objects: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def scheme(cls) -> str:
        return "mem"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join((basepath.rstrip("/"), *paths))

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        pass

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path, data in sorted(self.objects.items()):
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data))

    def create(
        self,
        path: str,
        mime_type: str = "",
        compression_type: str = CompressionTypes.UNCOMPRESSED,
    ) -> Any:
        return _Upload(path)

    def open(
        self,
        path: str,
        mime_type: str = "",
        compression_type: str = CompressionTypes.UNCOMPRESSED,
    ) -> Any:
        return io.BytesIO(self._object(path))

    def _object(self, path: str) -> bytes:
        if path not in self.objects:
            raise BeamIOError("Open failed", {path: FileNotFoundError(2, "No such object")})
        return self.objects[path]

    def copy(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            self.objects[target] = self._object(source)

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        self.copy(source_file_names, destination_file_names)
        self.delete(source_file_names)

    def exists(self, path: str) -> bool:
        return path in self.objects

    def size(self, path: str) -> int:
        return len(self._object(path))

    def last_updated(self, path: str) -> float:
        return 0.0

    def checksum(self, path: str) -> str:
        raise NotImplementedError

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, self.size(path))

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            for each in list(self.objects):
                if each == path or (path.endswith("/") and each.startswith(path)):
                    del self.objects[each]

    def report_lineage(self, path: str, lineage: Any) -> None:
        pass
