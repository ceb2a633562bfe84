"""Errors that commands show to users, with their exit codes."""

from __future__ import annotations

from typing import ClassVar


class JobStatusError(Exception):
    """An error that the user of a command can act on.

    Attributes:
        message: The problem and its place, in one or two lines. Never holds a value of the data.
        hint: The next step for the user, or None.
        exit_code: The exit code of the command.

    Examples:
        >>> from schemas import JobStatusError, load_mapping
        >>> try:
        ...     load_mapping("labels: {opne: [active]}", "my_mapping.yaml")
        ... except JobStatusError as error:
        ...     print(error.message, error.exit_code, sep="\\n")
        my_mapping.yaml:1: labels: unknown value `opne`
        2
    """

    message: str
    hint: str | None
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        # Pickling keeps only the arguments of Exception. Workers pickle their errors.
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(JobStatusError):
    """The command line, or a file that it names (such as a mapping), is not valid.

    Examples:
        >>> from schemas import UsageError, load_mapping
        >>> try:
        ...     load_mapping("labels: [", "my_mapping.yaml")
        ... except UsageError as error:
        ...     print(error.message.partition(":")[0])
        my_mapping.yaml
    """

    exit_code = 2


class InputError(JobStatusError):
    """An input is missing, unreadable or damaged.

    Examples:
        >>> from schemas import InputError
        >>> InputError("no file matches events/*.jsonl").exit_code
        3
    """

    exit_code = 3


class TooManyDeadLettersError(JobStatusError):
    """A run had more dead letters than its limit. Everything was committed nevertheless.

    Examples:
        >>> from schemas import TooManyDeadLettersError
        >>> TooManyDeadLettersError("30 % of the events are dead letters").exit_code
        4
    """

    exit_code = 4


class OutputError(JobStatusError):
    """The output cannot be written, or must not be written.

    Examples:
        >>> from schemas import OutputError
        >>> str(OutputError("out holds a run already", "choose --write_mode"))
        'out holds a run already\\nchoose --write_mode'
    """

    exit_code = 5


class ForeignPathError(OutputError):
    """A path or a link in an output leads out of the output. It was not followed."""


class StoppedBySignal(BaseException):
    """SIGINT or SIGTERM stopped the command.

    Attributes:
        number: The number of the signal. The exit code is 128 more.
        outcome: A sentence for the user about what was committed, or "".
        is_job_alive: Whether the job goes on without the command.
    """

    is_job_alive = False

    def __init__(self, number: int, outcome: str = "") -> None:
        super().__init__(number, outcome)
        self.number = number
        self.outcome = outcome
