"""Workers that are forked from a copy of the launcher, and the launchers that cannot be copied."""

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

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")

_BEGIN = """
import os, sys, threading, time
from pathlib import Path
from pipeline.runners import worker_pool
from pipeline.runners.worker_pool import WorkerTemplate, make_template, taken_template
"""


def _launcher(body: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A process of its own: one that runs tests has threads."""
    script = _BEGIN + textwrap.dedent(body)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _said(body: str, *arguments: str | Path) -> tuple[str, str]:
    out, err = _launcher(body, *arguments).communicate(timeout=300)
    assert "Traceback" not in err, err
    return out, err


def test_a_worker_has_the_variables_that_it_was_given(tmp_path: Path) -> None:
    body = """
        told = Path(sys.argv[1])
        worker_pool.work = lambda launcher: told.write_text(f"{launcher} {os.environ['GIVEN']}")
        template = WorkerTemplate()
        template.start(False, {"GIVEN": "these"})()
        template.dismiss()
        print(os.getpid(), os.environ.get("GIVEN"))
    """
    out, _ = _said(body, tmp_path / "told")
    launcher, given = out.split()
    assert (tmp_path / "told").read_text() == f"{launcher} these"
    assert given == "None"


@pytest.mark.parametrize("debug", [False, True])
def test_a_worker_writes_to_the_terminal_where_that_is_wanted_only(debug: bool) -> None:
    body = """
        worker_pool.work = lambda launcher: os.write(2, b"said")
        template = WorkerTemplate()
        template.start(sys.argv[1] == "True", {})()
        template.dismiss()
    """
    assert _said(body, str(debug))[1] == ("said" if debug else "")


def test_workers_are_waited_for_one_by_one(tmp_path: Path) -> None:
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
    assert _said(body, tmp_path / "stop")[0] == "the second ended\n"


def test_a_template_ends_with_a_launcher_that_is_killed() -> None:
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


def test_a_template_that_is_not_wanted_is_gone_at_once() -> None:
    body = """
        make_template()
        (template,) = worker_pool._templates
        with taken_template(wanted=False) as taken:
            print(taken, Path(f"/proc/{template.process}").exists())
    """
    assert _said(body)[0] == "None False\n"


def test_a_template_that_died_is_no_riddle() -> None:
    body = """
        template = WorkerTemplate()
        os.kill(template.process, 9)
        try:
            template.start(False, {})
        except EOFError as error:
            print(error)
    """
    assert _said(body)[0] == "the process that starts workers is gone\n"


def test_a_process_with_threads_is_not_copied() -> None:
    body = """
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        make_template()
        with taken_template(wanted=True) as template:
            print(template)
    """
    assert _said(body)[0] == "None\n"


@pytest.mark.parametrize("threads", [0, 1])
def test_a_run_is_the_same_whichever_way_its_workers_start(threads: int, tmp_path: Path) -> None:
    write_events(tmp_path / "events.jsonl", 1, 500)
    body = """
        from pipeline.cli import main
        for _ in range(int(sys.argv[1])):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        print(main(sys.argv[2:]))
    """
    arguments = ("run", "--input", tmp_path / "events.jsonl", "--output", tmp_path / "out")
    out, err = _said(body, str(threads), *arguments, *TWO_PROCESSES)
    assert out == "0\n", err
    assert "500" in err


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False
