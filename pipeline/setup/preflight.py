"""What a run looks at before it starts; `job-status validate` looks, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.markup import escape

from pipeline.graph import GraphSettings
from pipeline.options import RunOptions, parse_run
from pipeline.runners import beam_options, check_detached, look_at_engine
from pipeline.setup.output_directories import removed_where_unused
from pipeline.setup.prepare import (
    Inputs,
    check_output,
    find_inputs,
    is_committed,
    prepare,
    read_mapping,
)
from schemas.avro import RecordName, record_schema
from schemas.errors import JobStatusError
from schemas.mapping import Mapping

_RECORDS: tuple[RecordName, ...] = ("job_status_event", "dead_letter")
_MEGABYTE = 1_000_000


class Check(NamedTuple):
    """Something to look at.

    Attributes:
        name: What it is.
        look: Looks at it and says in a few words what is there; raises JobStatusError if that will
            not do.
    """

    name: str
    look: Callable[[], str]


class Preflight:
    """A run that may start if everything it needs is there; each look is made once.

    Args:
        options: Of the run.
        beam_arguments: Beam's own, from the command line.
    """

    def __init__(self, options: RunOptions, beam_arguments: list[str]) -> None:
        self.options = options
        self._beam_arguments = beam_arguments
        # Options may say where a filesystem is, an endpoint for instance.
        FileSystems.set_options(PipelineOptions(beam_arguments))

    @cached_property
    def mapping(self) -> Mapping:
        """The tables in force."""
        return read_mapping(self.options.mapping)

    @cached_property
    def settings(self) -> GraphSettings:
        """What the run will do."""
        return prepare(self.options, self.mapping)

    @cached_property
    def inputs(self) -> Inputs:
        """The files to read."""
        return find_inputs(self.options)

    @cached_property
    def engine(self) -> PipelineOptions:
        """Beam's options, with the engine settled."""
        engine = beam_options(
            self._beam_arguments,
            streaming=self.options.streaming,
            input_bytes=0 if self.options.reads_messages else self.inputs.bytes,
            debug=self.options.debug,
        )
        check_detached(self.options, engine)
        return engine

    @property
    def before_output(self) -> list[Check]:
        """What is looked at before the output is touched, in this order."""
        source = Check("input", self._input)
        engine = Check("engine", lambda: look_at_engine(self.engine))
        # The size of files decides about the engine; a subscription is asked for over the network.
        last = [engine, source] if self.options.reads_messages else [source, engine]
        return [Check("mapping", self._mapping), Check("schemas", self._schemas), *last]

    @property
    def checks(self) -> list[Check]:
        """All there is to look at."""
        return [*self.before_output, Check("output", self._output)]

    def look_before_output(self) -> None:
        """Looks at all that is looked at before the output.

        Raises:
            JobStatusError: The first that will not do.
        """
        for check in self.before_output:
            check.look()

    def _mapping(self) -> str:
        of = self.options.mapping or "built-in"
        return f"{of}, fingerprint {self.mapping.fingerprint}"

    def _schemas(self) -> str:
        return ", ".join(f"{name} v{record_schema(name).version}" for name in _RECORDS)

    def _input(self) -> str:
        if self.options.reads_messages:
            return self._subscription()
        files = len(self.inputs.files)
        size = self.inputs.bytes / _MEGABYTE
        return f"{files:,} file{'' if files == 1 else 's'}, {size:,.1f} MB"

    def _subscription(self) -> str:
        from transforms.pubsub import PubSubUnavailableError, Subscription

        assert self.settings.messages is not None
        name = self.settings.messages.subscription
        if name is None:
            return str(self.settings.messages.topic)
        subscription = Subscription(name)
        try:
            return f"{name}, {subscription.describe()}"
        except PubSubUnavailableError as error:
            # It may be back by the time it is pulled from, which waits for it.
            return f"{name}, but Pub/Sub cannot answer now ({error})"
        finally:
            subscription.close()

    def _output(self) -> str:
        commit = self.settings.commit
        if self.options.run_id is not None and is_committed(commit):
            return f"{commit.output}, which holds the run {commit.run_id} already: nothing to do"
        with removed_where_unused(commit):
            check_output(commit)
        return commit.output


def validate(arguments: Sequence[str], console: Console) -> None:
    """Looks at all that a run needs, and prints a line for each.

    Args:
        arguments: The command line behind `validate`, as that of `run`.
        console: Where to print.

    Raises:
        JobStatusError: The first that will not do.
    """
    failures: list[JobStatusError] = []
    for check in Preflight(*parse_run(arguments)).checks:
        try:
            found = f"[green]✓[/] {check.name}: {escape(check.look())}"
        except JobStatusError as error:
            # What cannot be had for one check is missing for those that need it too.
            is_known = any(error.message == each.message for each in failures)
            reason = "needs what failed above" if is_known else error.message
            found = f"[red]✗[/] {check.name}: {escape(reason)}"
            failures.append(error)
        console.print(found, soft_wrap=True)
    if failures:
        raise failures[0]
