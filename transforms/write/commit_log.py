"""A local file with the manifest of each commit of a stream, from which its report is made.

A stream has many thousands of commits. Reading their manifests from the output when it ends takes
minutes on an object store.
"""

from __future__ import annotations

import os

import msgspec

from schemas.manifest import Manifest


def append_commit(path: str, manifest: Manifest) -> None:
    """Appends a manifest, without what a report does not need."""
    line = msgspec.json.encode(msgspec.structs.replace(manifest, blocks=[])) + b"\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def add_commits(report: Manifest, path: str) -> None:
    """Adds the manifests of a log to a report, each once: a runner can repeat a commit."""
    if not os.path.exists(path):
        return
    known: set[str] = set()
    with open(path, "rb") as file:
        for line in file:
            manifest = Manifest.from_json(line)
            if manifest.run_id not in known:
                known.add(manifest.run_id)
                report.add(manifest)
