"""Runs copies of the scripts with a PATH that contains only the programs of a test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("run_local.sh", "run_tests.sh")
LOCKS = ("requirements.lock", "requirements-dev.lock")

# The programs that the scripts call, except Python.
TOOLS = (
    *("awk", "cat", "cksum", "dirname", "env", "mkdir"),
    *("printf", "readlink", "rm", "sh", "sleep", "tail"),
)

# A python3 of another version: the real one, with another sys.version_info.
OTHER_VERSION = """\
#!/bin/sh
[ "$1" = -I ] && shift
exec {python} -I -c 'import sys; sys.version_info = ({version}); exec(sys.argv[2])' "$@"
"""

# A python3 as Debian ships it without python3-venv.
WITHOUT_VENV = """\
#!/bin/sh
[ "$1" = -I ] && shift
exec {python} -I -c 'import sys; sys.modules["ensurepip"] = None; exec(sys.argv[2])' "$@"
"""

# A python3 that is the real one.
REAL = """\
#!/bin/sh
exec {python} "$@"
"""

# A python3 that only records the calls of venv, pip and the checks. Its job-status prints its
# directory and its arguments. $FAIL names the program that fails, $MESSAGE is the output of a
# failed pip, and $SLOW is the duration of each call of pip in seconds.
RECORDING = """\
#!/bin/sh
[ "$1" = -I ] && shift
case "$1 $2" in
  "-m venv")
    echo venv >>"$CALLS"
    for venv; do :; done
    rm -rf "$venv"
    mkdir -p "$venv/bin"
    cat "$0" >"$venv/bin/python"
    printf '#!/bin/sh\\n# %s/bin\\nprintf "%%s|" "$PWD" "$@"\\n' "$venv" >"$venv/bin/job-status"
    chmod +x "$venv/bin/python" "$venv/bin/job-status"
    ;;
  "-m pip")
    for last; do :; done
    echo "pip $last" >>"$CALLS"
    sleep "${{SLOW:-0}}"
    if [ "${{FAIL:-}}" = pip ]; then printf '%s\\n' "$MESSAGE"; exit 1; fi
    ;;
  "-m transforms.kernel.build")
    echo kernel >>"$CALLS"
    ;;
  "-c import pipeline."*)
    echo compile >>"$CALLS"
    ;;
  "-m pytest" | "-m mypy" | "-m ruff")
    shift
    echo "$@" >>"$CALLS"
    if [ "${{FAIL:-}}" = "$1" ]; then exit 7; fi
    ;;
  *) exec {python} -I "$@" ;;
esac
"""


class Machine:
    """A copy of the scripts, and a PATH with the programs of the test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.elsewhere = folder / "else where"
        for made in (self.root / "scripts", self.bin, self.elsewhere):
            made.mkdir(parents=True)
        for name in (*SCRIPTS, *LOCKS, "scripts/venv.sh", "pyproject.toml", "setup.py"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in (*TOOLS, "chmod"):
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)

    def python(self, text: str, name: str = "python3", **values: str) -> None:
        """Adds an interpreter to PATH: a shell script, in which {python} is the real one."""
        path = self.bin / name
        path.write_text(text.format(python=f"'{sys.executable}'", **values))
        path.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.bin), "CALLS": str(self.calls), "MESSAGE": "ERROR: broken", **more}

    def start(self, script: str | Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Starts a script of the checkout from another directory."""
        return subprocess.Popen(
            [str(self.root / script), *arguments],
            cwd=self.elsewhere,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(
        self, script: str | Path, *arguments: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the checkout from another directory and waits for its end."""
        process = self.start(script, *arguments, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def called(self) -> list[str]:
        """Returns the calls of venv, pip and the checks since the last call of this method."""
        if not self.calls.exists():
            return []
        lines = self.calls.read_text().splitlines()
        self.calls.unlink()
        return lines

    def environments(self) -> list[str]:
        """Returns the names of the environments in the checkout, complete or not."""
        return sorted(path.name for path in self.root.glob(".venv*") if path.is_dir())
