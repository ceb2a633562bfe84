"""The command in a message installs the package that the message names as missing."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import metadata

import pytest
from packaging.requirements import Requirement

from transforms.local.install_hint import install_beam_extra, pip_install


def _requirement(command: str) -> Requirement:
    *start, requirement = shlex.split(command)
    assert start == [sys.executable, "-m", "pip", "install"]
    return Requirement(requirement)


@pytest.mark.parametrize(
    ("extra", "libraries"),
    [
        ("gcp", {"google-cloud-pubsub", "google-cloud-storage"}),
        ("aws", {"boto3"}),
    ],
)
def test_the_command_installs_the_library_for_the_installed_beam(
    extra: str, libraries: set[str]
) -> None:
    requirement = _requirement(install_beam_extra(extra))
    installed = metadata(requirement.name)
    assert requirement.extras == {extra} <= set(installed.get_all("Provides-Extra") or [])
    assert requirement.specifier.contains(installed["Version"], prereleases=True)
    needed = [Requirement(each) for each in installed.get_all("Requires-Dist") or []]
    of_extra = {
        each.name
        for each in needed
        if each.marker is not None
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    }
    assert libraries <= of_extra


def test_a_shell_splits_the_command_into_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/my env/bin/python")
    words = ["/my env/bin/python", "-m", "pip", "install", "a[b]==1", "c"]
    assert shlex.split(pip_install("a[b]==1", "c")) == words
