"""The image's step builds the machine code of the kernel, and a run with it compiles nothing.

A run that compiles nothing does not even import Numba.
"""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Runs a module of the image's step or a command with the prefix of another environment.
_IN_PREFIX = """
import runpy, sys
sys.prefix = {prefix!r}
sys.argv = {arguments!r}
{work}
"""
_BUILD = 'runpy.run_module("transforms.kernel.build", run_name="__main__")'
_RUN = """
from pipeline.cli import main
code = main(sys.argv[1:])
print("numba" if "numba" in sys.modules else "no Numba")
sys.exit(code)
"""


def _python(
    prefix: Path, home: Path, work: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    code = _IN_PREFIX.format(prefix=str(prefix), arguments=["x", *arguments], work=work)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_image_builds_the_kernel() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    worker = re.split(r"^FROM .* AS (\w+)$", text, flags=re.MULTILINE)
    assert "RUN python -m transforms.kernel.build" in worker[worker.index("worker") + 1]


def test_a_run_with_the_code_of_the_image_compiles_nothing_with_another_home(
    tmp_path: Path,
) -> None:
    prefix, home = tmp_path / "prefix", tmp_path / "home"
    home.mkdir()
    built = _python(prefix, home, _BUILD)
    assert built.returncode == 0, built.stderr
    assert not list(home.iterdir())
    assert all(path.stat().st_mode & stat.S_IROTH for path in prefix.rglob("*"))
    for path in (*prefix.rglob("*"), home):
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = _python(
        prefix,
        Path("/nowhere"),
        _RUN,
        *("run", "--input", f"{ROOT}/samples/*", "--output", str(tmp_path / "out")),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("no Numba\n") and "compiling" not in done.stderr


def test_a_wheel_compiles_once_into_the_users_cache_and_says_so(tmp_path: Path) -> None:
    arguments = ("run", "--input", f"{ROOT}/samples/*", "--output")
    first = _python(tmp_path / "none", tmp_path, _RUN, *arguments, str(tmp_path / "1"))
    assert first.returncode == 0, first.stderr
    assert re.search(rf"compiling the kernel into {tmp_path}/\S+, once: ", first.stderr)
    assert first.stderr.count("compiling the kernel into") == 1
    second = _python(tmp_path / "none", tmp_path, _RUN, *arguments, str(tmp_path / "2"))
    assert second.returncode == 0, second.stderr
    assert second.stdout.endswith("no Numba\n") and "compiling" not in second.stderr


def test_a_wheel_works_without_a_home_that_can_be_written(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    arguments = ("run", "--input", f"{ROOT}/samples/*", "--output", str(tmp_path / "out"))
    # Not even root can write below a device.
    done = _python(tmp_path / "none", Path("/dev/null"), _RUN, *arguments, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "at each start, unless XDG_CACHE_HOME names a directory" in done.stderr
    assert not list(temporary.glob("job-status-kernel-*"))
