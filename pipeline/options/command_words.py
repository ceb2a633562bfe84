"""Returns the words of a command line for parsed options, the reverse of the parser."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

from pipeline.options.run_options import RunOptions, default_of

_SECRET: Final = re.compile(
    r"secret|token|password|key|connection_string|environment_(config|option)|extra_env_var"
)
"""Beam's options whose values can be secrets: the config of an environment holds its variables."""

_USER_OF_URL: Final = re.compile(r"(?<=://)[^/@]*(?=@)")
_HIDDEN: Final = "HIDDEN"


def command_words(command: str, options: RunOptions, beam_arguments: Sequence[str]) -> list[str]:
    """Returns the command line of `run` or `replay`; secrets of Beam's options are hidden.

    Options that have their default are left out.
    """
    left_out = set()
    dead_letters, mode = [], []
    if options.reads_messages:
        left_out = {"write_mode"}
    elif command == "replay":
        left_out = {"input", "write_mode"}
        dead_letters = options.input
        mode = [] if options.write_mode == "append" else ["--write_mode", options.write_mode]
    names = {each.name for each in fields(options)} - left_out
    words = [*dead_letters, *option_words(options, names), *mode]
    return ["job-status", command, *words, *_without_secrets(beam_arguments)]


def option_words(options: RunOptions, names: Collection[str]) -> list[str]:
    """Returns the words of those of the named options that do not have their default."""
    words: list[str] = []
    for each in fields(options):
        value = getattr(options, each.name)
        if each.name in names and value != default_of(each):
            words += _words(f"--{each.name}", value, each.metadata["takes_words"])
    return words


def _words(name: str, value: Any, takes_words: bool) -> list[str]:
    if value is True:
        return [name]
    if not isinstance(value, list):
        # A value that begins with a hyphen would pass for an option.
        return [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
    return [name, *value] if takes_words else [word for each in value for word in (name, each)]


def _without_secrets(arguments: Sequence[str]) -> Iterator[str]:
    is_secret = False
    for word in arguments:
        name, sign, value = word.partition("=")
        if not name.startswith("--"):
            yield _HIDDEN if is_secret else _USER_OF_URL.sub(_HIDDEN, word)
            continue
        is_secret = _SECRET.search(name) is not None
        yield name + sign + (_HIDDEN if is_secret and sign else _USER_OF_URL.sub(_HIDDEN, value))
