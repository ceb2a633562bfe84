"""Checks everything that a run needs before it starts. `job-status validate` prints the checks."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import cached_property

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.markup import escape

from pipeline.graph import GraphSettings
from pipeline.options import RunOptions
from pipeline.report import SafeConsole, check_port, counted
from pipeline.runners import beam_options, check_detached, check_runner, is_local
from pipeline.setup.accounts_file import read_accounts
from pipeline.setup.mapping_files import read_mapping
from pipeline.setup.output_directories import owned_output
from pipeline.setup.prepare import (
    Inputs,
    check_same_input,
    find_inputs,
    find_inputs_of_replay,
    is_committed,
    prepare,
)
from schemas.avro import RECORD_NAMES, record_schema
from schemas.errors import JobStatusError, UsageError
from schemas.mapping import Mapping
from transforms.parse import Accounts


class Preflight:
    """The settings of a run or a replay, and its checks. Each is made once."""

    def __init__(
        self,
        options: RunOptions,
        beam_arguments: list[str],
        console: Console,
        *,
        is_replay: bool = False,
    ) -> None:
        self.options = options
        self._console = console
        self.is_replay = is_replay
        self.beam_arguments = beam_arguments
        # They may configure a filesystem, its endpoint for example.
        FileSystems.set_options(PipelineOptions(beam_arguments))

    @cached_property
    def mapping(self) -> Mapping:
        """Returns the tables of the run; warns about rules that override each other."""
        return read_mapping(self.options.mapping, self._console)

    @cached_property
    def accounts(self) -> Accounts | None:
        """Returns the providers of the accounts, if a table is given."""
        return read_accounts(self.options.accounts)

    @cached_property
    def settings(self) -> GraphSettings:
        """Returns the settings of the graph, without the dead letters of a replay."""
        return prepare(self.options, self.mapping, accounts=self.accounts, is_replay=self.is_replay)

    @cached_property
    def inputs(self) -> Inputs:
        """Returns the files to read."""
        return (find_inputs_of_replay if self.is_replay else find_inputs)(self.options)

    @cached_property
    def beam(self) -> PipelineOptions:
        """Returns Beam's options, with the runner chosen."""
        beam = beam_options(
            self.beam_arguments,
            streaming=self.options.streaming,
            input_bytes=0 if self.options.reads_messages else self.inputs.bytes,
            debug=self.options.debug,
        )
        check_detached(self.options, beam)
        return beam

    @property
    def checks(self) -> dict[str, Callable[[], str]]:
        """Returns all checks by name. Only the last one touches the output.

        A check returns a short description, or raises JobStatusError if the run cannot start.
        """
        accounts = {} if self.options.accounts is None else {"accounts": self._describe_accounts}
        tables = ", ".join(self.options.mapping) or "built-in"
        source = {"input": self._describe_input}
        port = self.options.metrics_port
        metrics = {} if port is None else {"metrics": lambda: self._describe_metrics(port)}
        runner = {"runner": lambda: check_runner(self.beam)}
        return {
            "mapping": lambda: f"{tables}, fingerprint {self.mapping.fingerprint}",
            **accounts,
            "schemas": lambda: ", ".join(f"{n} v{record_schema(n).version}" for n in RECORD_NAMES),
            # The size of files decides the runner. A subscription is asked for over the network.
            **(runner | source if self.options.reads_messages else source | runner),
            **metrics,
            "output": self._describe_output,
        }

    def check_before_output(self) -> None:
        """Makes all checks but that of the output. Raises JobStatusError if one fails."""
        for check in [*self.checks.values()][:-1]:
            check()

    def _describe_input(self) -> str:
        if self.options.reads_messages:
            return self._describe_subscription()
        megabytes = self.inputs.bytes / 1_000_000
        skipped = f", {self.inputs.skipped:,} skipped" if self.inputs.skipped else ""
        return f"{counted(len(self.inputs.files), 'file')}, {megabytes:,.1f} MB{skipped}"

    def _describe_metrics(self, port: int) -> str:
        if not is_local(self.beam):
            raise UsageError(
                "--metrics_port works for runs on this machine only",
                "leave it out: a cluster shows the metrics of its jobs itself",
            )
        check_port(port)
        return f"http://{socket.gethostname()}:{port}/metrics"

    def _describe_accounts(self) -> str:
        assert self.accounts is not None
        count = counted(len(self.accounts.providers), "account")
        return f"{self.options.accounts}, {count}, fingerprint {self.accounts.fingerprint}"

    def _describe_subscription(self) -> str:
        from transforms.pubsub import PubSubUnavailableError, Subscription

        assert self.settings.messages is not None
        name = self.settings.messages.subscription
        if name is None:
            return str(self.settings.messages.topic)
        subscription = Subscription(name)
        try:
            return f"{name}, {subscription.describe()}"
        except PubSubUnavailableError as error:
            # The run itself waits until the service is back.
            return f"{name}, but Pub/Sub cannot answer now ({error})"
        finally:
            subscription.close()

    def _describe_output(self) -> str:
        commit = self.settings.commit
        if self.options.run_id is not None and is_committed(commit):
            check_same_input(commit)
            return f"{commit.output}, which holds the run {commit.run_id} already: nothing to do"
        with owned_output(commit):
            return commit.output


def validate(options: RunOptions, beam_arguments: list[str], messages: Console) -> None:
    """Prints all checks to stdout. Raises a JobStatusError of the type of the first failure."""
    console = SafeConsole(highlight=False)
    failures: list[JobStatusError] = []
    for name, check in Preflight(options, beam_arguments, messages).checks.items():
        try:
            line = f"[green]✓[/] {name}: {escape(check())}"
        except JobStatusError as error:
            # A cause that several checks share is reported once.
            is_known = any(error.message == each.message for each in failures)
            reason = "needs what failed above" if is_known else error.message
            line = f"[red]✗[/] {name}: {escape(reason)}"
            if error.hint and not is_known:
                line += f"\n  {escape(error.hint)}"
            failures.append(error)
        console.print(line, soft_wrap=True)
    if failures:
        causes = len({each.message for each in failures})
        raise type(failures[0])(f"{counted(causes, 'check')} failed: the run would not start")
