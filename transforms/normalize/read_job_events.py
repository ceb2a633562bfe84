"""ReadJobEvents: reads files as the command does, for NormalizeJobStatus."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from schemas.errors import InputError
from transforms.blocks import RawBlock
from transforms.read import InputFormat, ReadFiles, match_files
from transforms.storage import file_paths


class ReadJobEvents(beam.PTransform):
    """Reads files of lines of JSON or of documents, plain or compressed.

    Args:
        patterns: A path or a glob on any filesystem that Beam supports, or several of them.
        input_format: `lines`, `document`, or `auto`, which detects the format of each file.

    Returns:
        A collection of blocks for NormalizeJobStatus. Its records have the file and the offset.

    Raises:
        InputError: A pattern matches no file when the pipeline is built, or a file is damaged or
            cannot be read when it runs.

    Examples:
        >>> from pathlib import Path
        >>> import apache_beam as beam
        >>> from transforms import NormalizeJobStatus, ReadJobEvents
        >>> size = Path("jobs.jsonl").write_text('{"id": "7", "status": "Open"}\\n')
        >>> with beam.Pipeline() as pipeline:
        ...     result = pipeline | ReadJobEvents("jobs.jsonl") | NormalizeJobStatus()
        ...     sources = result.events | beam.Map(lambda event: event.source.rpartition("/")[2])
        ...     shown = sources | beam.Map(print)
        jobs.jsonl
    """

    def __init__(
        self, patterns: str | Sequence[str], *, input_format: InputFormat = "auto"
    ) -> None:
        super().__init__()
        given = [patterns] if isinstance(patterns, str) else patterns
        self._patterns = [_checked(pattern) for pattern in given]
        self._input_format = input_format

    def expand(self, root: beam.Pipeline) -> beam.PCollection[RawBlock]:
        read = root | "ReadFiles" >> ReadFiles(self._patterns, input_format=self._input_format)
        return read["blocks"] | "RaiseIfDamaged" >> beam.Map(undamaged).with_output_types(RawBlock)


def _checked(pattern: str) -> str:
    file_paths.check_scheme(pattern)
    path = file_paths.normal(pattern)
    if not match_files([path]).files:
        raise InputError(f"no file matches {pattern}", "check the path")
    return path


def undamaged(block: RawBlock) -> RawBlock:
    """Returns a block; raises InputError if it reports that its file is damaged."""
    note = block.note
    if note is not None and note.damage is not None:
        raise InputError(
            f"{note.path} is damaged: {note.damage}",
            "replace the file, or leave it out",
        )
    return block
