"""Beam's filesystems have options and keep their S3 sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.options.pipeline_options import S3Options

from transforms.storage import beam_filesystems
from transforms.storage.beam_filesystems import set_filesystem_options


@pytest.mark.needs("aws")
def test_each_thread_keeps_one_s3_session() -> None:
    with ThreadPoolExecutor(1) as thread:
        own, again = beam_filesystems._s3_session(), beam_filesystems._s3_session()
        other = thread.submit(beam_filesystems._s3_session).result()
    assert own is again
    assert own is not other


def test_options_of_a_filesystem_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystems = beam_filesystems.beam_filesystems()
    monkeypatch.setattr(filesystems, "_pipeline_options", None)
    set_filesystem_options(["--s3_region_name=eu-west-1"])
    options = filesystems._pipeline_options
    assert options is not None
    assert options.view_as(S3Options).s3_region_name == "eu-west-1"
