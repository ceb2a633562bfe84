"""The image, its build context, the template and the pages of docs on deploying fit together.

The tests need no Docker: they read the Dockerfile.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from pipeline.options.parser import beam_parser, parse_run
from pipeline.runners.choose import beam_options, check_detached, is_detached
from schemas.version import PIPELINE_VERSION
from scripts.option_docs import template

ROOT = Path(__file__).resolve().parents[2]
PAGES = "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob("docs/deploy*.md")))
LOCK = (ROOT / "deploy" / "requirements.lock").read_text("utf-8")


class Step(NamedTuple):
    """An instruction of the Dockerfile, with the name of its stage."""

    stage: str
    name: str
    words: list[str]


def steps() -> list[Step]:
    """Returns the instructions of the Dockerfile."""
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found, stage = [], ""
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, *words = shlex.split(line)
        if name == "FROM":
            stage = words[-1]
        found.append(Step(stage, name, words))
    return found


def arguments_of(name: str, *stages: str) -> list[list[str]]:
    """Returns the arguments of all instructions of a name, in the given stages or in all."""
    return [
        step.words for step in steps() if step.name == name and step.stage in (stages or STAGES)
    ]


STAGES = ("", *(step.stage for step in steps() if step.name == "FROM"))


def copied() -> list[str]:
    """Returns the paths that are copied from the checkout."""
    found = [words[:-1] for words in arguments_of("COPY") if not words[0].startswith("--from=")]
    return [each for words in found for each in words]


def environment(*stages: str) -> dict[str, str]:
    """Returns the environment variables of the given stages or of all."""
    return dict(word.split("=", 1) for words in arguments_of("ENV", *stages) for word in words)


def is_ignored(path: str) -> bool:
    """Returns True if .dockerignore excludes a path. The last line that matches it decides."""
    parts = Path(path).parts
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    ignored = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if any(
            fnmatch.fnmatch(each, pattern)
            or fnmatch.fnmatch(f"./{each}", pattern.replace("**/", "*/"))
            for each in above
        ):
            ignored = not line.startswith("!")
    return ignored


class TestImage:
    def test_every_copied_path_exists_and_is_in_the_build_context(self) -> None:
        assert len(copied()) >= 9
        for path in copied():
            assert (ROOT / path).exists(), path
            assert not is_ignored(path), path

    def test_the_build_context_holds_only_the_copied_paths(self) -> None:
        for directory in (ROOT, ROOT / "deploy"):
            for entry in directory.iterdir():
                path = str(entry.relative_to(ROOT))
                is_wanted = path in copied()
                assert is_wanted or is_ignored(path), path
        for path in (".git/config", "deploy/Dockerfile", "pipeline/__pycache__/a.pyc", "x/a.avro"):
            assert is_ignored(path), path

    def test_workers_have_the_locked_release_of_beam(self) -> None:
        (release,) = re.findall(r"^apache-beam==(\S+)", LOCK, re.MULTILINE)
        images = [words[0] for words in arguments_of("FROM")]
        assert f"apache/beam_python3.11_sdk:{release}" in images
        assert ["--from=beam", "/opt/apache/beam", "/opt/apache/beam"] in arguments_of(
            "COPY", "worker"
        )
        assert arguments_of("ENTRYPOINT") == [["[/opt/apache/beam/boot]"]]

    def test_all_stages_have_the_same_python_version(self) -> None:
        text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
        assert set(re.findall(r"python:?(3\.\d+)", text)) == {"3.11"}

    def test_images_are_pinned_and_named_without_a_host(self) -> None:
        for words in arguments_of("FROM"):
            image = words[0]
            if image in STAGES or image == "${LAUNCHER_IMAGE}":
                continue
            assert re.search(r":\d+\.\d+\.\d+[\w.-]*$", image), image
            first = image.split("/")[0] if "/" in image else ""
            assert "." not in first and ":" not in first, image

    def test_the_worker_can_be_built_without_an_image_of_the_launcher(self) -> None:
        assert arguments_of("ARG") == [["LAUNCHER_IMAGE=beam"]]
        assert "beam" in STAGES

    def test_the_labels_have_the_version_and_the_license_of_the_project(self) -> None:
        project = (ROOT / "pyproject.toml").read_text("utf-8")
        pairs = dict(word.split("=", 1) for words in arguments_of("LABEL") for word in words)
        labels = {name.rpartition(".")[2]: text for name, text in pairs.items()}
        assert f'\nversion = "{labels["version"]}"\n' in project
        assert f'\nlicense = "{labels["licenses"]}"\n' in project
        text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
        assert set(re.findall(r"job-status:(\S+)", text)) == {labels["version"]}

    def test_packages_are_checked_by_their_hashes_and_leave_no_cache(self) -> None:
        installs = [words for words in arguments_of("RUN") if "install" in words]
        assert len(installs) == 2
        assert all("--no-cache-dir" in words for words in installs)
        assert "--require-hashes" in installs[0]
        assert "--no-deps" in installs[0]
        assert "--no-deps" in installs[1]

    def test_workers_install_no_packages(self) -> None:
        assert environment("worker")["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
        assert not {
            name for name in environment() if re.search("REQUIREMENTS|SETUP|PACKAGES", name)
        }

    def test_the_file_that_a_template_starts_is_the_command(self, tmp_path: Path) -> None:
        path = Path(environment("template")["FLEX_TEMPLATE_PYTHON_PY_FILE"])
        ((source, name),) = [
            words for words in arguments_of("COPY", "template") if words[0][0] != "-"
        ]
        assert arguments_of("WORKDIR", "template") == [[str(path.parent)]]
        assert path.name == name
        # The file is alone in its directory: it must import the installed packages.
        alone = tmp_path / name
        alone.write_bytes((ROOT / source).read_bytes())
        done = subprocess.run(
            [sys.executable, alone, "--help"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage: job-status run")


def commands(start: str) -> list[list[str]]:
    """Returns the commands of the pages that begin with a text, split as a shell splits them."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\\n\s*", " ", "".join(blocks)).splitlines()
    return [shlex.split(line) for line in lines if line.startswith(start)]


class TestPages:
    @pytest.mark.needs("gcp", "pubsub_client")
    @pytest.mark.parametrize("words", commands("job-status run"), ids=" ".join)
    def test_every_option_of_a_run_is_known(self, words: list[str]) -> None:
        options, beams = parse_run(words[2:])
        beam_settings = beam_options(beams, streaming=options.streaming)
        check_detached(options, beam_settings)
        assert "Runner" in beam_settings.get_all_options()["runner"]

    def test_the_pages_show_both_modes_of_both_runners(self) -> None:
        shown = set()
        for words in commands("job-status run"):
            options, beams = parse_run(words[2:])
            runner = beam_options(beams, streaming=options.streaming).get_all_options()["runner"]
            shown.add((runner == "DataflowRunner", options.streaming))
        assert len(shown) == 4

    @pytest.mark.parametrize("words", commands("gcloud dataflow flex-template run"), ids=" ".join)
    def test_every_parameter_of_a_template_is_known(self, words: list[str]) -> None:
        of_form = {each["name"] for each in template()["parameters"]}
        of_beam = {name[2:] for each in beam_parser()._actions for name in each.option_strings}
        given = dict(word.split("=", 2)[1:] for word in words if word.startswith("--parameters="))
        assert {"output", "sdk_container_image"} <= given.keys()
        assert given.keys() <= of_form | of_beam
        # The launcher passes the parameters on and adds these.
        location = "--template_location=gs://my-bucket/staging/template_launches/1/job_object"
        added = ["--runner=DataflowRunner", "--project=my-project", "--job_name=job", location]
        passed_on = [f"--{name}={value}" for name, value in given.items()]
        options, beams = parse_run([*passed_on, *added])
        beam_settings = beam_options(beams, streaming=options.streaming)
        check_detached(options, beam_settings)
        assert is_detached(beam_settings)

    def test_the_build_commands_of_the_image_and_the_template_name_existing_files(self) -> None:
        (build,) = commands("docker build")
        assert (ROOT / build[build.index("-f") + 1]).exists()
        argument = build[build.index("--build-arg") + 1].split("=")[0]
        assert [argument] == [words[0].split("=")[0] for words in arguments_of("ARG")]
        (metadata,) = re.findall(r"--metadata-file=(\S+)", PAGES)
        assert (ROOT / metadata).exists()

    def test_the_job_server_has_the_locked_release_of_beam(self) -> None:
        (release,) = re.findall(r"^apache-beam==(\S+)", LOCK, re.MULTILINE)
        assert set(re.findall(r"job-server[:-](\d+\.\d+\.\d+)", PAGES)) == {release}

    def test_the_compose_file_has_the_versions_of_the_project(self) -> None:
        services = yaml.safe_load((ROOT / "deploy/flink/compose.yaml").read_text("utf-8"))[
            "services"
        ]
        images = {name: service["image"] for name, service in services.items()}
        (release,) = re.findall(r"^apache-beam==(\S+)", LOCK, re.MULTILINE)
        assert images["jobserver"].endswith(f":{release}")
        assert images["workers"].endswith(f"/job-status:{PIPELINE_VERSION}")
        assert images["jobmanager"] == images["taskmanager"]
        assert "deploy/flink/compose.yaml" in PAGES
