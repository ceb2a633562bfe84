"""Settings of both sinks: where and how to write, and how often to commit a stream."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.avro import RECORD_NAMES, Codec, RecordName
from schemas.mapping import Mapping
from transforms.local import Retry
from transforms.storage import (
    file_paths,
    filesystem,
    output_mark,
    run_of_staging,
    staging_directory,
    staging_root,
)

WriteMode = Literal["error", "append", "overwrite"]


class Place(NamedTuple):
    """The directories of one of the two outputs.

    Attributes:
        root: Holds `_staging`.
        files: Holds the committed files.
        name: job_status or dead_letter.
        mark: Follows the run id in names if other outputs may write to the root, too; else "".
    """

    root: str
    files: str
    name: str
    mark: str = ""

    def staging(self, run_id: str) -> str:
        """Returns the staging directory of a run."""
        return staging_directory(self.root, run_id, self.mark)

    def run_of(self, directory: str) -> str | None:
        """Returns the run of a staging directory by its name; None for another output's."""
        return run_of_staging(directory, self.mark)

    def staged_runs(self) -> list[str]:
        """Returns the runs of this output that have a staging directory."""
        found = map(self.run_of, filesystem.list_directories(staging_root(self.root)))
        return [run_id for run_id in found if run_id is not None]


def new_run_id() -> str:
    """Returns a unique run id. Run ids sort by time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class CommitSettings:
    """Where and how a run writes.

    Attributes:
        run_id: Identifies the run; part of every file's name.
        mapping: The tables of the run. Providers without a table are listed in the manifest.
        accounts_fingerprint: Of the table of accounts; "" for none.
        mapping_files: The user's mapping files as given, for the manifest.
        patterns: The patterns of the files to read, or the subscription or topic.
        dead_letter_output: Another directory for dead letters, or None.
        write_mode: What to do if the output holds earlier runs.
        target_file_bytes: A file that reaches this size is closed, and another one is started.
        keep_damaged: Whether to commit although an input is damaged.
        started_at: Seconds since 1970, for the duration in the manifest; 0 for no duration.
        request: Digest of input and options, equal for the same command whatever its run id; ""
            for none.
        is_replay: True if the inputs are dead letters. Each of them is replayed only once.
        skip_read: True if the run skips inputs that earlier runs have read.
        from_messages: Whether the input is messages. Then nothing is committed without a message,
            and no empty file without an event.
    """

    output: str
    run_id: str
    mapping_fingerprint: str
    mapping: Mapping | None = None
    accounts_fingerprint: str = ""
    mapping_files: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    dead_letter_output: str | None = None
    write_mode: WriteMode = "error"
    codec: Codec = "deflate"
    target_file_bytes: int = 256 << 20
    keep_damaged: bool = False
    started_at: float = 0.0
    request: str = ""
    is_replay: bool = False
    skip_read: bool = False
    from_messages: bool = False

    def place(self, name: RecordName) -> Place:
        """Returns the directories for a kind of records."""
        if name == "dead_letter" and self.dead_letter_output is not None:
            letters = self.dead_letter_output
            return Place(letters, letters, name, output_mark(self.output))
        short = name.removesuffix("_event")
        return Place(self.output, file_paths.join(self.output, short), short)

    def places(self) -> list[Place]:
        """Returns the directories of both outputs."""
        return [self.place(name) for name in RECORD_NAMES]

    def staging_places(self) -> list[Place]:
        """Returns the places with different staging directories, the one in the output first."""
        return self.places()[: 1 if self.dead_letter_output is None else 2]

    @property
    def roots(self) -> list[str]:
        """The directories of the run: it changes nothing outside them."""
        return sorted({place.root for place in self.places()})


@dataclass(frozen=True, slots=True)
class PaneSettings:
    """The interval of the commits of a stream, and their number of parts.

    Attributes:
        window_seconds: The interval of panes by processing time. Else the reader decides which
            blocks are committed together: those of the same second.
        shards: Number of commits per window.
        by_processing_time: Whether panes fire by the clock alone. Needed where the watermark of
            the source would make an older backlog late.
        retry: How long to retry what fails.
        commit_log: A local file to which each manifest is appended, or None.
    """

    window_seconds: int = 60
    shards: int = 1
    by_processing_time: bool = False
    retry: Retry = field(default_factory=Retry)
    commit_log: str | None = None
