"""Where an output keeps what was committed and what is about to be, and how they are read.

A manifest says what a run committed, an intent what a commit is about to do. Both hold paths that
are relative to the output, or in full where they lie outside it, so that an output can be moved.
Anyone who can write into an output can write any path into them, so each is checked when it is
read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from schemas.errors import ForeignPathError, InputError, OutputError
from schemas.manifest import Manifest, OutputFile
from transforms.storage import file_paths, filesystem
from transforms.storage.containment import is_below, refuse_foreign, refuse_links, refuse_links_in
from transforms.storage.staging import staging_directory

PENDING = ".pending.json"
"""How the name of an intent ends."""

_MANIFEST = ".json"
_DEAD_LETTER = "dead_letter"


class Intent(Struct):
    """What a commit is about to do: enough to finish it without the run.

    Attributes:
        renames: From staged to final.
        staging: Directories that are done with afterwards.
        manifest: What to write at the end.
        request: As in the settings: the same command, run again, finds its run by it.
    """

    renames: list[tuple[str, str]]
    staging: list[str]
    manifest: Manifest
    request: str = ""

    def staging_roots(self, output: str) -> list[str]:
        """Returns the roots of the run, which hold its staging directories.

        Raises:
            ForeignPathError: A relative path leads out of the output.
        """
        end = staging_directory("", self.manifest.run_id)
        return [full_path(output, each).removesuffix(end) for each in self.staging]


def manifest_directory(output: str) -> str:
    """Where an output keeps its manifests."""
    return file_paths.join(output, "_manifest")


def manifest_path(output: str, run_id: str) -> str:
    """Where the manifest of a bounded run lies."""
    return file_paths.join(manifest_directory(output), f"{run_id}.json")


def manifest_files(output: str) -> list[filesystem.FileInfo]:
    """Lists the manifests and intents of an output, and whatever else lies among them.

    Raises:
        ForeignPathError: One of them is a symbolic link.
        OutputError: They cannot be listed.
    """
    directory = manifest_directory(output)
    refuse_links_in(output, directory)
    return filesystem.list_files(directory)


def pending_path(output: str, run_id: str) -> str:
    """Where the intent of a bounded run lies."""
    return file_paths.join(manifest_directory(output), run_id + PENDING)


def read_intent(path: str) -> Intent | None:
    """Reads an intent; None where there is none, or one that was cut off while it was written.

    Raises:
        ForeignPathError: It names what does not belong to its run.
        OutputError: It cannot be read, or is not as this version writes it.
    """
    if not filesystem.exists(path):
        return None
    try:
        intent = msgspec.json.decode(_read(path), type=Intent)
    except msgspec.ValidationError as error:
        raise OutputError(
            f"{path} was written by another version of job-status",
            "run that version once more to complete its run",
        ) from error
    except msgspec.DecodeError:
        return None
    _check(path, intent.manifest, PENDING)
    _check_intent(path, intent)
    return intent


def within(output: str, path: str) -> str:
    """A path as an intent or a manifest holds it."""
    return path.removeprefix(output.rstrip("/") + "/")


def full_path(output: str, path: str) -> str:
    """Where a file of an intent or a manifest lies.

    Raises:
        ForeignPathError: The path is relative and leads out of the output.
    """
    if path.startswith("/") or not file_paths.is_local(path):
        return path
    full = file_paths.join(output, path)
    if not is_below(output, full):
        raise ForeignPathError(
            f"a file in {manifest_directory(output)} names {path!r}, which leads out of the "
            "output; it was left as it is",
            "correct or remove the file that names it, then run again",
        )
    return full


def manifests(output: str) -> list[tuple[str, Manifest]]:
    """The manifests of an output with their paths, in the order of their names.

    Raises:
        OutputError: One of them cannot be read.
    """
    return [
        (file.path, manifest_at(file.path))
        for file in manifest_files(output)
        if file.path.endswith(_MANIFEST) and not file.path.endswith(PENDING)
    ]


def manifests_of(output: str, mark: str) -> list[Manifest]:
    """The manifests of a run that committed many times.

    Args:
        output: Where they are.
        mark: Stands in the names of all its commits, and in no others.
    """
    return [
        manifest_at(file.path)
        for file in manifest_files(output)
        if mark in file.path.rpartition("/")[2] and not file.path.endswith(PENDING)
    ]


def manifest_at(path: str) -> Manifest:
    """Reads a manifest.

    Raises:
        ForeignPathError: It names what does not belong to its run.
        OutputError: It cannot be read, or is none.
    """
    try:
        manifest = Manifest.from_json(_read(path))
    except msgspec.DecodeError as error:
        raise OutputError(f"{path} is not a manifest of job-status") from error
    _check(path, manifest, _MANIFEST)
    return manifest


def _check(path: str, manifest: Manifest, suffix: str) -> None:
    """Checks the paths of a manifest, which may stand in an intent.

    Args:
        path: The file that holds it.
        manifest: What it holds.
        suffix: How the name of such a file ends.

    Raises:
        ForeignPathError: One of them does not belong to the run.
    """
    output = _output_of(path)
    if path.rpartition("/")[2] != manifest.run_id + suffix:
        raise _foreign(path, f"the run {manifest.run_id!r}")
    for file in manifest.files:
        _check_file(path, manifest.run_id, file)
    for each in manifest.replaces:
        replaced = _full_path(path, each)
        is_manifest = replaced.endswith(_MANIFEST) and not replaced.endswith(PENDING)
        if not is_manifest or replaced.rpartition("/")[0] != manifest_directory(output):
            raise _foreign(path, repr(each))
    for each in manifest.consumed:
        _full_path(path, each)


def _check_file(path: str, run_id: str, file: OutputFile) -> None:
    """Checks that a file has a name that only its run gives, and that it is not a link.

    Dead letters may lie anywhere: a later command does not know --dead_letter_output of the run.
    """
    output = _output_of(path)
    full = _full_path(path, file.path)
    directory, _, name = full.rpartition("/")
    own_name = rf"(job_status|dead_letter)-{re.escape(run_id)}-\d{{5,}}-of-\d{{5,}}\.avro"
    found = re.fullmatch(own_name, name)
    is_within = is_below(output, full)
    is_elsewhere = file.output == _DEAD_LETTER and file_paths.normal(full) == file.path
    if found is None or found[1] != file.output or not (is_within or is_elsewhere):
        raise _foreign(path, repr(file.path))
    refuse_links(output if is_within else directory, full)


def _check_intent(path: str, intent: Intent) -> None:
    """Checks that an intent moves files of its own run only, from its staging to their places."""
    end = staging_directory("", intent.manifest.run_id)
    for each in intent.staging:
        if not _full_path(path, each).endswith(end):
            raise _foreign(path, repr(each))
    for staged, _ in intent.renames:
        if staged.rpartition("/")[0] not in intent.staging:
            raise _foreign(path, repr(staged))
    if [final for _, final in intent.renames] != [file.path for file in intent.manifest.files]:
        raise _foreign(path, "a file that its manifest does not list")


def _full_path(path: str, named: str) -> str:
    """Where a path lies that a manifest or an intent names; the error says which one."""
    try:
        return full_path(_output_of(path), named)
    except ForeignPathError:
        raise _foreign(path, repr(named)) from None


def _output_of(path: str) -> str:
    return path.rpartition("/")[0].rpartition("/")[0]


def _foreign(path: str, named: str) -> ForeignPathError:
    return ForeignPathError(
        f"{path} names {named}, which does not belong to its run; it was left as it is",
        f"correct or remove {path}, then run again",
    )


def _read(path: str) -> bytes:
    try:
        return filesystem.read(path)
    except InputError as error:
        raise OutputError(error.message.replace("the input ", "")) from error


def own_files(output: str, roots: Sequence[str], manifest: Manifest) -> list[str]:
    """Returns the files of a manifest, in full, for a run to delete.

    Args:
        output: Where the manifest is.
        roots: The directories of the run that deletes them.
        manifest: Lists them.

    Raises:
        ForeignPathError: One of them does not lie below the directories.
    """
    files = [full_path(output, file.path) for file in manifest.files]
    for file in files:
        refuse_foreign(roots, file)
    return files


def manifests_to_replace(output: str, roots: Sequence[str]) -> list[str]:
    """Returns the manifests of an output, for a run to delete with all their files.

    Args:
        output: Where they are.
        roots: The directories of the run.

    Raises:
        ForeignPathError: A file does not lie below the directories.
        OutputError: A manifest cannot be read.
    """
    found = manifests(output)
    for _, manifest in found:
        own_files(output, roots, manifest)
    return [path for path, _ in found]


def consumed_before(output: str) -> set[str]:
    """The dead letter files, in full, that runs into an output have run again."""
    found = manifests(output)
    return {full_path(output, path) for _, manifest in found for path in manifest.consumed}
