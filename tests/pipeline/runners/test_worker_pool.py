"""Workers are forked from a template of the launcher, or started anew without a template."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.kills.command import TWO_PROCESSES
from tests.pipeline.command import write_events
from tests.pubsub import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a template needs Linux")

_BEGIN = """
import os, sys, threading, time
from pathlib import Path
from pipeline.runners import worker_pool
from pipeline.runners.worker_pool import WorkerTemplate, make_template, taken_template
"""


def _launcher(body: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Starts a launcher in its own process, because the process of the tests has threads."""
    script = _BEGIN + textwrap.dedent(body)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _output(body: str, *arguments: str | Path) -> tuple[str, str]:
    out, err = _launcher(body, *arguments).communicate(timeout=300)
    assert "Traceback" not in err, err
    return out, err


def test_a_worker_has_the_environment_variables_of_its_request(tmp_path: Path) -> None:
    body = """
        result = Path(sys.argv[1])
        worker_pool.work = lambda launcher: result.write_text(f"{launcher} {os.environ['GIVEN']}")
        template = WorkerTemplate()
        template.start(False, {"GIVEN": "these"})()
        template.dismiss()
        print(os.getpid(), os.environ.get("GIVEN"))
    """
    out, _ = _output(body, tmp_path / "result")
    launcher, given = out.split()
    assert (tmp_path / "result").read_text() == f"{launcher} these"
    assert given == "None"


@pytest.mark.parametrize("debug", [False, True])
def test_a_worker_writes_to_the_terminal_only_with_debug(debug: bool) -> None:
    body = """
        worker_pool.work = lambda launcher: os.write(2, b"text")
        template = WorkerTemplate()
        template.start(sys.argv[1] == "True", {})()
        template.dismiss()
    """
    assert _output(body, str(debug))[1] == ("text" if debug else "")


def test_each_worker_is_waited_for_separately(tmp_path: Path) -> None:
    body = """
        stop = Path(sys.argv[1])
        def work(launcher):
            while os.environ["WAITS"] == "yes" and not stop.exists():
                time.sleep(0.01)
        worker_pool.work = work
        template = WorkerTemplate()
        slow = template.start(False, {"WAITS": "yes"})
        template.start(False, {"WAITS": "no"})()
        print("the second ended")
        stop.touch()
        slow()
        template.dismiss()
    """
    assert _output(body, tmp_path / "stop")[0] == "the second ended\n"


def test_a_template_ends_when_its_launcher_is_killed() -> None:
    launcher = _launcher(
        """
        template = WorkerTemplate()
        print(template.process, flush=True)
        time.sleep(600)
        """
    )
    assert launcher.stdout is not None
    template = int(launcher.stdout.readline())
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate(timeout=300)
    assert wait_for(lambda: _is_gone(template), 60)


def test_a_template_that_is_not_wanted_ends_at_once() -> None:
    body = """
        make_template()
        (template,) = worker_pool._templates
        with taken_template(wanted=False) as taken:
            print(taken, Path(f"/proc/{template.process}").exists())
    """
    assert _output(body)[0] == "None False\n"


def test_a_dead_template_raises_an_error() -> None:
    body = """
        template = WorkerTemplate()
        os.kill(template.process, 9)
        try:
            template.start(False, {})
        except EOFError as error:
            print(error)
    """
    assert _output(body)[0] == "the process that starts workers is gone\n"


def test_a_process_with_threads_makes_no_template() -> None:
    body = """
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        make_template()
        with taken_template(wanted=True) as template:
            print(template)
    """
    assert _output(body)[0] == "None\n"


@pytest.mark.parametrize("threads", [0, 1])
def test_a_run_succeeds_with_and_without_a_template(threads: int, tmp_path: Path) -> None:
    write_events(tmp_path / "events.jsonl", 1, 500)
    # Like a console script, the launcher does not search the current directory.
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise ImportError")
    body = """
        from pipeline.cli import main
        sys.path[0] = os.getcwd()
        os.chdir(sys.argv[2])
        for _ in range(int(sys.argv[1])):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        print(main(sys.argv[3:]))
    """
    arguments = ("run", "--input", "events.jsonl", "--output", "out")
    out, err = _output(body, str(threads), tmp_path, *arguments, *TWO_PROCESSES)
    assert out == "0\n", err
    assert "500" in err


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False
