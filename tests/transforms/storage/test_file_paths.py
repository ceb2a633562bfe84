"""Paths are joined, made absolute and checked."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from schemas.errors import UsageError
from transforms.local.install_hint import install_beam_extra
from transforms.storage.file_paths import (
    check_scheme,
    is_local,
    join,
    normal,
    real,
    scheme,
    what_opens,
)


def test_names_are_appended_to_a_directory() -> None:
    assert join("/out/", "job_status", "a.avro") == "/out/job_status/a.avro"


def test_a_local_path_becomes_absolute() -> None:
    assert normal("file:///a/../b/") == "/b"
    assert normal("a") == f"{os.getcwd()}/a"


def test_the_path_of_an_object_is_not_changed() -> None:
    assert normal("gs://bucket/a//b/../c") == "gs://bucket/a//b/../c"


def test_a_path_is_local_if_it_has_no_scheme() -> None:
    assert is_local("/a") and scheme("/a") == ""
    assert not is_local("gs://a") and scheme("gs://a") == "gs"


def test_links_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "link.jsonl").symlink_to("a.txt")
    assert real(f"{tmp_path}/link.jsonl") == str(tmp_path.resolve() / "a.txt")


@pytest.mark.parametrize("path", ["/a/b", "a", "file:///a"])
def test_a_local_path_needs_no_extra(path: str) -> None:
    check_scheme(path)


def test_a_scheme_that_nothing_opens_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing that is installed can open nosuch://"):
        check_scheme("nosuch://bucket/a")


def test_a_scheme_whose_extra_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        check_scheme("s3://bucket/a")
    assert caught.value.hint == what_opens("s3://bucket/a")
    assert install_beam_extra("aws") in what_opens("s3://bucket/a")
