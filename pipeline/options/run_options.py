"""The options of `run`, each defined once: the parser and the help are made from these fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, Literal

GROUPS: dict[str, str | None] = {
    "Input": None,
    "Output": None,
    "Mapping": None,
    "Bad records": None,
    "Streaming": None,
    "Runner": "Beam's own: --runner NAME, --direct_num_workers N, --project P, and many more.",
    "Messages": None,
}
"""Groups of options, with what is said of each."""

Use = Literal["files", "messages", "drain", "streaming"]
"""What an option is for alone: files, Pub/Sub, or one of the two ways to read that."""


def _option(
    group: str,
    text: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    repeatable: bool = False,
    required: bool = False,
    at_least: float | None = None,
    at_most: float | None = None,
    only_for: Use | None = None,
    pattern: str | None = None,
    in_template: bool = True,
) -> Any:
    metadata = {
        "group": group,
        "help": text,
        "metavar": metavar,
        "choices": choices,
        "repeatable": repeatable,
        "required": required,
        "at_least": at_least,
        "at_most": at_most,
        "only_for": only_for,
        "pattern": pattern,
        "in_template": in_template,
    }
    if repeatable:
        return field(default_factory=lambda: list(default or []), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunOptions:
    """The options of `run`; sizes are in bytes."""

    input: list[str] = _option(
        "Input",
        "files to read, on any filesystem that Beam knows; repeatable",
        metavar="PATTERN",
        repeatable=True,
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
        "a payload a line, a document a file, or as the content looks",
        default="auto",
        choices=("auto", "lines", "document"),
        only_for="files",
    )
    event_types: list[str] = _option(
        "Input",
        "events that are wanted, others are ignored; repeatable",
        default=["ats_jobs.*"],
        metavar="GLOB",
        repeatable=True,
    )
    provider: str | None = _option(
        "Input", "provider of the events that do not name theirs", metavar="NAME"
    )
    account_id: str | None = _option(
        "Input", "account of the events that do not name theirs", metavar="ID"
    )
    allow_no_input: bool = _option(
        "Input", "a pattern that matches nothing is no error", default=False, only_for="files"
    )
    max_event_bytes: int = _option(
        "Input",
        "longest line, or job of a page",
        default=10_000_000,
        metavar="BYTES",
        at_least=1,
    )
    max_document_bytes: int = _option(
        "Input",
        "longest document",
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
        "Output",
        "where the output holds a run already",
        default="error",
        choices=("error", "append", "overwrite"),
    )
    run_id: str | None = _option(
        "Output",
        "name of this run; one that is committed is not done again",
        metavar="ID",
        only_for="files",
        pattern="[A-Za-z0-9_-]{1,100}",
    )
    codec: Literal["deflate", "null"] = _option(
        "Output", "codec of the Avro files", default="deflate", choices=("deflate", "null")
    )
    target_file_bytes: int = _option(
        "Output",
        "size from which on another file is started",
        default=256_000_000,
        metavar="BYTES",
        at_least=1,
    )
    mapping: str | None = _option(
        "Mapping", "rules that add to the built-in ones or override them", metavar="FILE"
    )
    max_dead_letter_fraction: float = _option(
        "Bad records",
        "more dead letters than this make the exit code 4",
        default=1.0,
        metavar="SHARE",
        at_least=0,
        at_most=1,
        in_template=False,
    )
    dead_letter_payload: Literal["full", "hash", "none"] = _option(
        "Bad records",
        "what dead letters keep of their payload",
        default="full",
        choices=("full", "hash", "none"),
    )
    on_damaged_input: Literal["fail", "keep"] = _option(
        "Bad records",
        "of a corrupt file: commit nothing, or keep what can be read",
        default="fail",
        choices=("fail", "keep"),
        only_for="files",
    )
    drain: bool = _option(
        "Streaming",
        "read what there is, commit it, acknowledge it, and end",
        default=False,
        only_for="messages",
        in_template=False,
    )
    streaming: bool = _option(
        "Streaming",
        "read without an end, commit window by window",
        default=False,
        only_for="messages",
    )
    window_seconds: int = _option(
        "Streaming",
        "how often to commit",
        default=60,
        metavar="N",
        at_least=1,
        only_for="streaming",
    )
    shards: int = _option(
        "Streaming",
        "commits side by side for each window",
        default=1,
        metavar="N",
        at_least=1,
        only_for="streaming",
    )
    idle_seconds: float = _option(
        "Streaming",
        "end when nothing has come for so long",
        default=10.0,
        metavar="N",
        at_least=0,
        only_for="drain",
        in_template=False,
    )
    max_seconds: float | None = _option(
        "Streaming",
        "begin no new round after so long",
        metavar="N",
        at_least=0,
        only_for="drain",
        in_template=False,
    )
    lease_seconds: int = _option(
        "Streaming",
        "how long messages are kept from coming again",
        default=600,
        metavar="N",
        at_least=10,
        at_most=600,
        only_for="messages",
        in_template=False,
    )
    pullers: int = _option(
        "Streaming",
        "pulls under way at the same time",
        default=2,
        metavar="N",
        at_least=1,
        at_most=64,
        only_for="messages",
        in_template=False,
    )
    report: str | None = _option(
        "Messages",
        "what the run did, as JSON or as a page",
        metavar="FILE.json|.html",
        in_template=False,
    )
    log_format: Literal["text", "json"] = _option(
        "Messages", "how messages look", default="text", choices=("text", "json"), in_template=False
    )
    debug: bool = _option(
        "Messages", "show tracebacks and the engine's log", default=False, in_template=False
    )

    @property
    def reads_messages(self) -> bool:
        """Whether the input is Pub/Sub."""
        return self.input_subscription is not None or self.input_topic is not None

    @property
    def uses(self) -> set[Use]:
        """What its options are for."""
        if not self.reads_messages:
            return {"files"}
        return {"messages", "drain" if self.drain else "streaming"}


def default_of(option: Field[Any]) -> Any:
    """What an option is where it is not given."""
    return option.default if option.default_factory is MISSING else option.default_factory()
