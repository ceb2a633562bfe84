"""Reads Avro files with Avro for Java, where a machine has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from schemas.compatibility import Reader

_VERSION = "1.12.0"


def tools_path() -> Path:
    """Where `scripts/components.sh` puts Avro's tools."""
    cache = os.environ.get("JOB_STATUS_CACHE") or Path.home() / ".cache" / "job-status"
    return Path(cache) / f"avro_tools-{_VERSION}"


def java_readers() -> dict[str, Reader]:
    """The reader by its name; none where there is no Java, or Avro's tools are not there."""
    if shutil.which("java") is None or not tools_path().exists():
        return {}
    return {"Avro for Java": read_with_java}


def read_with_java(data: bytes, reader_text: str | None = None) -> list[Any]:
    """Reads the records of a file as Avro's JSON: a union's value stands under its type's name.

    Args:
        data: The bytes of the file.
        reader_text: The reader's schema; the file's own if None.

    Raises:
        ValueError: They cannot be read; the text says why.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "records.avro")
        path.write_bytes(data)
        command = ["java", "-jar", str(tools_path()), "tojson", str(path)]
        if reader_text is not None:
            command += ["--reader-schema", reader_text]
        told = subprocess.run(command, capture_output=True, check=False)
    errors = [
        line.removeprefix('Exception in thread "main" ')
        for line in told.stderr.decode(errors="replace").splitlines()
        if "xception" in line
    ]
    if told.returncode or errors:
        raise ValueError(errors[0] if errors else f"java ended with {told.returncode}")
    return [json.loads(line) for line in told.stdout.splitlines()]
