"""The lock files are complete, pinned with hashes, and agree on versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.interpreters import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
ALL_LOCKS = (*LOCKS, "deploy/requirements.lock")


def _pins(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Yields the requirements of a lock file, each with its hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def _versions(name: str, python: str, system: str) -> dict[str, str]:
    """Returns the packages that a lock file installs on a Python and a platform, by name."""
    environment = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
    }
    found: dict[str, str] = {}
    for requirement, _ in _pins(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found
            found[requirement.name] = str(requirement.specifier)
    return found


class TestLocks:
    @pytest.mark.parametrize("name", ALL_LOCKS)
    def test_every_requirement_is_pinned_with_hashes(self, name: str) -> None:
        pins = list(_pins(name))
        assert len(pins) > 30
        for requirement, hashes in pins:
            assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
            assert requirement.url is None
            assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)

    @pytest.mark.parametrize("name", ALL_LOCKS)
    def test_a_lock_has_no_address_and_no_path(self, name: str) -> None:
        text = (ROOT / name).read_text()
        assert not re.search(r"://|index|find-links|@ |file:|(?<!\w)/", text)

    @pytest.mark.parametrize("system", ["linux", "darwin"])
    @pytest.mark.parametrize("python", VERSIONS)
    def test_the_development_lock_contains_the_runtime_lock(self, python: str, system: str) -> None:
        runtime = _versions("requirements.lock", python, system)
        development = _versions("requirements-dev.lock", python, system)
        assert runtime.items() <= development.items()
        assert {"setuptools", "apache-beam"} <= runtime.keys()
        assert {"google-cloud-pubsub", "boto3", "pytest"} <= development.keys() - runtime.keys()

    def test_the_image_lock_is_between_the_runtime_and_the_development_lock(self) -> None:
        runtime, image, development = (
            _versions(name, "3.11", "linux") for name in (LOCKS[0], ALL_LOCKS[2], LOCKS[1])
        )
        assert runtime.items() <= image.items() <= development.items()
        assert {"google-cloud-pubsub", "google-cloud-storage", "boto3"} <= image.keys()
        assert "pytest" not in image

    @pytest.mark.parametrize("python", VERSIONS)
    def test_the_locks_hold_the_declared_dependencies(self, python: str) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        lists = re.findall(r"^(\w+) = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
        declared = {key: re.findall(r'^ +"([^"]+)"', body, re.MULTILINE) for key, body in lists}
        for key, name in (("dependencies", LOCKS[0]), ("dev", LOCKS[1])):
            assert declared[key]
            locked = _versions(name, python, "linux")
            for text in declared[key]:
                requirement = Requirement(text)
                marker = requirement.marker
                if marker is not None and not marker.evaluate({"python_version": python}):
                    continue
                version = locked[canonicalize_name(requirement.name)].removeprefix("==")
                assert version in requirement.specifier, text
