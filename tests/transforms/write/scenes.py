"""Outputs with and without earlier runs, and what readers find in them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import fastavro

from tests.transforms.runs import lines, run_once, settings
from transforms.storage.manifests import pending_path, read_manifests

OLD, OLDER, NEW = lines(0, 3), lines(100, 2), lines(200, 6, bad=2)


def _records(path: Path) -> list[str]:
    """Returns the job ids, or the payloads of dead letters, in a file."""
    with path.open("rb") as file:
        records = [record for record in fastavro.reader(file) if isinstance(record, dict)]
    return [record.get("job_id") or record["payload"].decode() for record in records]


def _files(directories: Iterable[Path]) -> list[Path]:
    return [path for directory in directories for path in directory.glob("*.avro")]


def content(output: Path, *others: Path) -> Counter[str]:
    """Counts the records that readers of the directories find."""
    files = _files((output / "job_status", output / "dead_letter", *others))
    return Counter(record for path in files for record in _records(path))


def content_of(*runs: list[bytes]) -> Counter[str]:
    """Counts the records that runs of these payloads write."""
    return Counter(
        json.loads(each)["event_data"]["id"] if each.startswith(b"{") else each.decode()
        for run in runs
        for each in run
    )


def listed(output: Path) -> Counter[str]:
    """Counts the records of all files in the manifests; asserts that the files are complete."""
    found: Counter[str] = Counter()
    for _, manifest in read_manifests(str(output)):
        for each in manifest.files:
            path = output / each.path
            data = path.read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (each.bytes, each.sha256)
            records = _records(path)
            assert len(records) == each.records
            found.update(records)
    return found


def leftovers(*directories: Path) -> list[str]:
    """Lists staging directories, intents and parts of files: no completed run leaves them."""
    return [
        str(path)
        for directory in directories
        for path in directory.rglob("*")
        if "_staging" in path.parts or path.name.endswith((".part", ".pending.json"))
    ]


class Scene:
    """An output with or without earlier runs, and a run into it.

    Args:
        directory: Where to make it.
        write_mode: The mode of the run; for modes other than `error`, there are two earlier runs.
        elsewhere: Whether the dead letters go to another directory.
    """

    def __init__(self, directory: Path, write_mode: str, elsewhere: bool) -> None:
        self.output = directory / "out"
        self.dead = [directory / "dead"] if elsewhere else []
        changes = {"dead_letter_output": str(self.dead[0])} if elsewhere else {}
        self.run = settings(str(self.output), "new", write_mode=write_mode, **changes)
        self.before = [] if write_mode == "error" else [OLD, OLDER]
        for run_id, payloads in zip(("old", "older"), self.before, strict=False):
            run_once(replace(self.run, run_id=run_id, write_mode="append"), payloads)

    @property
    def pending(self) -> Path:
        """The path of the run's intent."""
        return Path(pending_path(self.run.output, self.run.run_id))

    def do(self) -> None:
        """Does the run."""
        run_once(self.run, NEW)

    def content(self) -> Counter[str]:
        """Counts the records that readers find."""
        return content(self.output, *self.dead)

    def content_before(self) -> Counter[str]:
        """Counts the records that readers find before the run."""
        return content_of(*self.before)

    def content_after(self) -> Counter[str]:
        """Counts the records that readers find after the run."""
        kept = self.before if self.run.write_mode == "append" else []
        return content_of(*kept, NEW)

    def check_done(self) -> None:
        """Asserts that the output is that of an uninterrupted run."""
        assert self.content() == self.content_after()
        assert listed(self.output) == self.content_after()
        assert leftovers(self.output, *self.dead) == []

    def check_visible(self) -> None:
        """Asserts that each file with a final name is complete, in any state of the run."""
        for path in _files((self.output / "job_status", self.output / "dead_letter", *self.dead)):
            assert len(_records(path)) > 0
        if not self.pending.exists():
            assert self.content() in (self.content_before(), self.content_after())
