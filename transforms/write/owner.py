"""Owner files: whose the staged files of a run are, and whether that process is alive.

The name of an owner file identifies its process; the process renews the file every 20 seconds. For
the processes of this machine, the process id and its start decide. A process of another machine is
dead if it has not renewed its file for five minutes. These are counted from that file to one that
the observer writes now: the filesystem gives both their times, so differences between the clocks of
machines play no part. Where the machines give them, as on some network mounts, the clocks may
differ by four minutes.

A job that outlives its command has no owner file: nobody renews one, and the death of the command
says nothing about the job. Its staged files are kept for a day after the last change.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from schemas.errors import OutputError
from transforms.local import machine_id, process_start
from transforms.storage import file_paths, filesystem, locked, refuse_links, staging_root
from transforms.write.settings import CommitSettings, Place

_RENEW_SECONDS = 20.0
_SILENT_SECONDS = 300.0
_UNOWNED_SECONDS = 24 * 3600.0
_STOP_SECONDS = 5.0
"""The longest wait for a renewal that hangs."""

_NAME = re.compile(
    r"owner-(?P<machine>[0-9a-f]{16})-(?P<pid>[1-9]\d{0,8})-(?P<start>\d{1,18})"
    r"(-(?P<mark>\w+))?"
)


class Owner(NamedTuple):
    """The process that started a run.

    Attributes:
        run_id: The run.
        mark: A part of the run ids of all its commits, or "" if it has only one.
        machine: As `machine_id`.
        pid: Its process id on that machine.
        start: As `process_start`.
        file: Its owner file.
    """

    run_id: str
    mark: str
    machine: str
    pid: int
    start: int
    file: filesystem.InputFile

    def owns(self, run_id: str) -> bool:
        """Returns whether a commit is one of this run."""
        return run_id == self.run_id or (self.mark != "" and self.mark in run_id.split("-"))


class Staged:
    """The staged files and the owners of an output's runs in one of its places.

    Args:
        place: The place.
        now: A file in one of its staging directories that was written just now.

    Attributes:
        files: The staged files by run id.
        owners: The owners of runs, also of those that have ended.
    """

    def __init__(self, place: Place, now: str) -> None:
        self.files: dict[str, list[filesystem.InputFile]] = {}
        self.owners: list[Owner] = []
        self._now_ns: int | None = None
        start = file_paths.join(staging_root(place.root), "")
        for file in filesystem.files_below(staging_root(place.root)):
            directory, slash, name = file.path.removeprefix(start).partition("/")
            run_id = place.run_of(directory)
            if not slash or run_id is None:
                continue
            self.files.setdefault(run_id, []).append(file)
            if found := _NAME.fullmatch(name):
                pid, began = int(found["pid"]), int(found["start"])
                owner = Owner(run_id, found["mark"] or "", found["machine"], pid, began, file)
                self.owners.append(owner)
            if file.path == now:
                self._now_ns = file.modified_ns

    def is_active(self, run_id: str, files: Iterable[filesystem.InputFile]) -> bool:
        """Returns whether the run that staged these files may be active."""
        if owners := [owner for owner in self.owners if owner.owns(run_id)]:
            return any(map(self.is_alive, owners))
        return any(self._age_seconds(file) < _UNOWNED_SECONDS for file in files)

    def is_alive(self, owner: Owner) -> bool:
        """Returns whether a process is alive, or may be alive on another machine."""
        if owner.machine == machine_id():
            # Another process may have its id by now.
            return process_start(owner.pid) in (owner.start, 0)
        return self._age_seconds(owner.file) < _SILENT_SECONDS

    def _age_seconds(self, file: filesystem.InputFile) -> float:
        # On a filesystem without times, no file is ever old.
        if self._now_ns is None or file.modified_ns is None:
            return 0.0
        return (self._now_ns - file.modified_ns) / 1e9


class OwnedStaging:
    """Makes this process the owner of a run while its context is active.

    Args:
        settings: Where the run writes.
        mark: A part of the run ids of all its commits, or "" if it has only one.
    """

    def __init__(self, settings: CommitSettings, mark: str = "") -> None:
        self._run_id = settings.run_id
        pid = os.getpid()
        name = f"owner-{machine_id()}-{pid}-{process_start(pid) or 0}" + (mark and f"-{mark}")
        # For people: the name has all that a program needs. An object must not be empty.
        self._content = f"process {pid} on {socket.gethostname()}\n".encode()
        self._paths = {
            place: file_paths.join(place.staging(settings.run_id), name)
            for place in settings.staging_places()
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="owner", daemon=True)

    def __enter__(self) -> OwnedStaging:
        """Writes the owner files.

        Raises:
            ForeignPathError: A link is in the way.
            OutputError: The output cannot be written, or the run is active already.
        """
        try:
            for place, path in self._paths.items():
                self._write(place.root, path)
            if self._other() is not None:
                self._give_way()
            self._thread.start()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def staged(self, place: Place) -> Staged:
        """Returns what is staged in one of the staging places of the run."""
        return Staged(place, self._paths[place])

    def release(self) -> None:
        """Removes the owner files: the run is over, or goes on without this process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        for place, path in self._paths.items():
            # The next run removes a file that stays, as its process has ended by then.
            with suppress(OutputError):
                filesystem.delete([path])
            for directory in (file_paths.parent(path), staging_root(place.root)):
                filesystem.remove_if_empty(directory)

    def _write(self, root: str, path: str) -> None:
        refuse_links(root, path)
        errors: tuple[type[Exception], ...] = (OutputError, *filesystem.storage_errors())
        try:
            # Not by a part file: a process that dies here would leave it without an owner.
            with filesystem.create(path) as file:
                file.write(self._content)
        except errors as error:
            raise OutputError(
                f"cannot write to {root}: {filesystem.error_text(error)}",
                "choose a directory that can be written, or a new one",
            ) from error

    def _other(self) -> Owner | None:
        """Returns another live owner of the run."""
        for place, own in self._paths.items():
            staged = self.staged(place)
            for each in staged.owners:
                is_other = each.run_id == self._run_id and each.file.path != own
                if is_other and staged.is_alive(each):
                    return each
        return None

    def _give_way(self) -> None:
        """Raises OutputError, unless the other owner of the run gives way first."""
        # Two starts at the same time see each other. The first to have the lock removes its files.
        with locked(file_paths.parent(next(iter(self._paths.values())))):
            other = self._other()
            if other is None:
                return
            self.release()
        raise OutputError(
            f"the run {self._run_id} is active already, see {other.file.path}",
            "wait for its end; if its host has crashed, wait for five minutes",
        )

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_SECONDS):
            for path in self._paths.values():
                # It may be gone, as the run was committed. Another failure may be over soon.
                with suppress(OutputError):
                    filesystem.touch(path, self._content)
