"""Defines the options of `run` once; the parser, the help and the docs are made from the fields."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

GROUPS: dict[str, str | None] = {
    "Input": None,
    "Output": None,
    "Mapping": None,
    "Bad records": None,
    "Streaming": None,
    "Runner": "Beam's own: --runner NAME, --direct_num_workers N, --project P, and many more.",
    "Messages": None,
}
"""The groups of options, each with a line for the help."""

Use = Literal["files", "messages", "drain", "streaming"]
"""The only kind of input for an option: files, Pub/Sub, or one of the two ways to read Pub/Sub."""

NOT_IN_TEMPLATE = (
    *("max_dead_letter_fraction", "report", "drain", "idle_seconds", "max_seconds"),
    *("lease_seconds", "pullers", "max_window_bytes", "retry_seconds", "log_format", "debug"),
    "metrics_port",
)
"""Options that a Flex Template does not have. The first five need a command that waits for the job.
Dataflow replaces the others."""

_METADATA: dict[str, Any] = {
    "metavar": "N",
    "required": False,
    "at_least": None,
    "at_most": None,
    "only_for": None,  # a Use
    "takes_words": True,  # whether a list takes all words up to the next option
    "pattern": None,  # a regular expression for the form of a template
}


def _option(group: str, text: str, *, default: Any = None, **metadata: Any) -> Any:
    """Defines an option by its group, help and default; `metadata` replaces values of _METADATA."""
    metadata = {**_METADATA, **metadata, "group": group, "help": text}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunOptions:
    """The options of `run`. Sizes are in bytes."""

    input: list[str] = _option(
        "Input",
        "files to read, on any of Beam's filesystems",
        default=[],
        metavar="PATTERN",
    )
    input_subscription: str | None = _option(
        "Input",
        "Pub/Sub subscription to read, with --drain or --streaming",
        metavar="NAME",
        pattern="projects/[^/]+/subscriptions/[^/]+",
    )
    input_topic: str | None = _option(
        "Input",
        "Pub/Sub topic to read, with --streaming on Dataflow",
        metavar="NAME",
        pattern="projects/[^/]+/topics/[^/]+",
    )
    input_format: Literal["auto", "lines", "document"] = _option(
        "Input",
        "a payload per line, a document per file, or detected from the content",
        default="auto",
        only_for="files",
    )
    event_types: list[str] = _option(
        "Input",
        "read only these events",
        default=["ats_jobs.*"],
        metavar="GLOB",
    )
    provider: str | None = _option(
        "Input", "provider of events that do not name theirs", metavar="NAME"
    )
    account_id: str | None = _option(
        "Input", "account of events that do not name theirs", metavar="ID"
    )
    accounts: str | None = _option("Input", "providers of accounts, as JSON or CSV", metavar="FILE")
    assume_timezone: str | None = _option(
        "Input",
        "zone of timestamps without an offset",
        metavar="ZONE",
    )
    allow_no_input: bool = _option(
        "Input", "accept a pattern that matches nothing", default=False, only_for="files"
    )
    max_event_bytes: int = _option(
        "Input",
        "maximum size of a line, or of a job in a page",
        default=10_000_000,
        metavar="BYTES",
        at_least=1,
    )
    max_document_bytes: int = _option(
        "Input",
        "maximum size of a document",
        default=256_000_000,
        metavar="BYTES",
        at_least=1,
        only_for="files",
    )
    output: str = _option("Output", "directory to write to", metavar="DIR", required=True)
    dead_letter_output: str | None = _option(
        "Output", "directory for dead letters, if not DIR/dead_letter", metavar="DIR"
    )
    write_mode: Literal["error", "append", "overwrite"] = _option(
        "Output", "if the output already holds a run", default="error"
    )
    skip_read: bool = _option(
        "Output",
        "skip files that runs in DIR have read already",
        default=False,
        only_for="files",
    )
    run_id: str | None = _option(
        "Output",
        "name of this run; if it is committed, do nothing",
        metavar="ID",
        only_for="files",
        pattern="[A-Za-z0-9_-]{1,100}",
    )
    codec: Literal["deflate", "null"] = _option(
        "Output", "codec of the Avro files", default="deflate"
    )
    target_file_bytes: int = _option(
        "Output",
        "size at which another file is started",
        default=256_000_000,
        metavar="BYTES",
        at_least=1,
    )
    mapping: list[str] = _option(
        "Mapping",
        "rules that override the built-in ones, later files win; repeatable",
        default=[],
        metavar="FILE",
        takes_words=False,
    )
    max_dead_letter_fraction: float = _option(
        "Bad records",
        "exit with code 4 if the share of dead letters is larger",
        default=1.0,
        metavar="SHARE",
        at_least=0,
        at_most=1,
    )
    dead_letter_payload: Literal["full", "hash", "none"] = _option(
        "Bad records", "what dead letters keep of their payload", default="full"
    )
    on_damaged_input: Literal["fail", "keep"] = _option(
        "Bad records",
        "for a corrupt file: commit nothing, or keep what is readable",
        default="fail",
        only_for="files",
    )
    drain: bool = _option(
        "Streaming",
        "read, commit and acknowledge the waiting messages, then end",
        default=False,
        only_for="messages",
    )
    streaming: bool = _option(
        "Streaming", "read without end, commit each window", default=False, only_for="messages"
    )
    window_seconds: int = _option(
        "Streaming",
        "seconds of a window, the unit of a commit",
        default=60,
        at_least=1,
        only_for="streaming",
    )
    max_window_bytes: int = _option(
        "Streaming",
        "size at which a window is committed early",
        default=256_000_000,
        metavar="BYTES",
        at_least=1,
        only_for="streaming",
    )
    shards: int = _option(
        "Streaming", "parallel commits for each window", default=1, at_least=1, only_for="streaming"
    )
    idle_seconds: float = _option(
        "Streaming",
        "end after a time without messages",
        default=10.0,
        at_least=0,
        only_for="drain",
    )
    max_seconds: float | None = _option(
        "Streaming",
        "stop pulling after this time, and commit",
        at_least=0,
        only_for="drain",
    )
    lease_seconds: int = _option(
        "Streaming",
        "time until an unacknowledged message is delivered again",
        default=600,
        at_least=10,
        at_most=600,
        only_for="messages",
    )
    retry_seconds: float = _option(
        "Streaming",
        "how long to retry failed calls and commits",
        default=600.0,
        at_least=0,
        only_for="messages",
    )
    pullers: int = _option(
        "Streaming", "concurrent pulls", default=2, at_least=1, at_most=64, only_for="messages"
    )
    report: str | None = _option(
        "Messages", "report of the run, as JSON or as a page", metavar="FILE.json|.html"
    )
    metrics_port: int | None = _option(
        "Messages",
        "serve /metrics for Prometheus, and /healthz; local runs only",
        metavar="PORT",
        at_least=1,
        at_most=65535,
    )
    log_format: Literal["text", "json"] = _option("Messages", "format of messages", default="text")
    debug: bool = _option("Messages", "show tracebacks and the runner's log", default=False)

    @property
    def reads_messages(self) -> bool:
        """Returns whether the input is Pub/Sub."""
        return self.input_subscription is not None or self.input_topic is not None

    @property
    def uses(self) -> set[Use]:
        """Returns the uses that apply to this run."""
        if not self.reads_messages:
            return {"files"}
        return {"messages", "drain" if self.drain else "streaming"}


def default_of(option: Field[Any]) -> Any:
    """Returns the value of an option that is not given."""
    return option.default if option.default_factory is MISSING else option.default_factory()


def choices_of(option: Field[Any]) -> tuple[str, ...]:
    """Returns the values that an option can have, or nothing if it can have any."""
    hint = get_type_hints(RunOptions)[option.name]
    return get_args(hint) if get_origin(hint) is Literal else ()
