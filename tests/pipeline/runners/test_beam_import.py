"""A run imports the clients of clouds only if an argument may need them."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CLIENTS = ("boto3", "google.cloud.storage", "google.cloud.bigquery", "pymongo")

_IMPORT = f"""\
import sys
from pipeline.runners import lean_imports

for argument in sys.argv[1:]:
    with lean_imports(["--input", argument]):
        from apache_beam.io.filesystems import FileSystems
print(*(name for name in {_CLIENTS} if name in sys.modules))
for path in ("gs://bucket/name", "s3://bucket/name"):
    try:
        print(type(FileSystems.get_filesystem(path)).__name__)
    except ValueError:
        print("none")
import google.cloud.storage, requests

print(requests.Session.__name__)
"""


def _after(*arguments: str) -> list[str]:
    """Returns the loaded clients, the filesystems of two clouds, and a class that loads late."""
    command = [sys.executable, "-c", _IMPORT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_local_paths_load_no_client_of_a_cloud_and_break_no_later_import() -> None:
    assert _after("events/*.jsonl") == ["", "none", "none", "Session"]


@pytest.mark.parametrize("argument", ["gs://bucket/*", "--input_topic=projects/p/topics/t"])
def test_a_path_or_a_topic_of_a_cloud_loads_all_clients(argument: str) -> None:
    assert _after(argument) == [" ".join(_CLIENTS), "GCSFileSystem", "S3FileSystem", "Session"]


@pytest.mark.parametrize("argument", ["events/*.jsonl", "gs://bucket/*"])
def test_no_path_loads_pandas(argument: str) -> None:
    pytest.importorskip("pandas")
    loaded = 'print("pandas" in sys.modules)\nimport pandas'
    command = [sys.executable, "-c", f"{_IMPORT}\n{loaded}", argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_path_of_a_cloud_can_follow_a_local_path_in_one_process() -> None:
    assert _after("events/*.jsonl", "s3://bucket/*")[1:3] == ["GCSFileSystem", "S3FileSystem"]
