"""What a command refuses to do, and the exit code that says so to a scheduler."""

from __future__ import annotations

from typing import ClassVar


class JobStatusError(Exception):
    """A condition that the person who typed the command can act on.

    Attributes:
        message: What happened and where, in one or two lines. Never holds a value of the data.
        hint: What to do next, or None.
        exit_code: The exit code of the command that meets it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        # Both go to Exception so that the error survives being pickled by a worker.
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(JobStatusError):
    """The command line or a file it names (a mapping, say) is not understood."""

    exit_code = 2


class InputError(JobStatusError):
    """Input is missing, unreadable or damaged."""

    exit_code = 3


class TooManyDeadLettersError(JobStatusError):
    """More dead letters than the run was told to accept; everything was committed all the same."""

    exit_code = 4


class OutputError(JobStatusError):
    """The output cannot be written, or must not be."""

    exit_code = 5


class ForeignPathError(OutputError):
    """A path or a link in an output leads to what is not its own; it was not followed."""


class StoppedBySignal(BaseException):
    """SIGINT or SIGTERM ended the command.

    Attributes:
        number: Of the signal; the exit code is 128 more.
        outcome: What is committed, for people; "" where there is nothing to add.
    """

    def __init__(self, number: int, outcome: str = "") -> None:
        super().__init__(number, outcome)
        self.number = number
        self.outcome = outcome
