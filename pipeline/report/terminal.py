"""Prints texts that cannot control the terminal, wherever they are from."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.text import printable


class SafeConsole(Console):
    """A console that shows control characters in texts as escape sequences, except line ends."""

    def render_str(self, text: str, **settings: Any) -> Text:
        """Renders a text after it is made printable."""
        return super().render_str(_printable_lines(text), **settings)


def print_result(text: str) -> None:
    """Writes a text of lines to stdout, with control characters as escape sequences."""
    sys.stdout.write(_printable_lines(text))


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
