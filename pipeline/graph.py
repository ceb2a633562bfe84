"""Builds the graph: one for every input and every runner, with one line for each step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo

import apache_beam as beam

from schemas.mapping import Mapping
from transforms.blocks import Context
from transforms.derive import DeriveJobStatus
from transforms.encode import EncodeAvro, PayloadPolicy
from transforms.local import REMOTE_RUN, LocalRun
from transforms.parse import Accounts, ParseEvents
from transforms.pubsub import (
    Acknowledge,
    DrainLimits,
    PullSettings,
    ReadPubSub,
    WindowLimits,
    runner_reads_pubsub,
)
from transforms.read import DeadLetterFile, InputFormat, ReadDeadLetters, ReadFiles, ReadLimits
from transforms.storage import plan_path
from transforms.write import CommitSettings, PaneSettings, WriteAvro, WriteAvroPanes


@dataclass(frozen=True)
class MessageSettings:
    """Which Pub/Sub messages to read, and how.

    Attributes:
        subscription: Its full name, or None if there is a topic.
        topic: Its full name, or None if there is a subscription.
        pull: How to pull, where Beam does not read Pub/Sub itself.
        drain: Makes the read bounded: it is one round of a drain, with one commit.
        window: Which messages of an unbounded read are committed together.
        panes: How an unbounded read is committed.
    """

    subscription: str | None
    topic: str | None
    pull: PullSettings
    drain: DrainLimits | None
    window: WindowLimits
    panes: PaneSettings


@dataclass(frozen=True)
class GraphSettings:
    """The settings of all steps. `dead_letters` or `messages` replace the files as input."""

    patterns: list[str]
    input_format: InputFormat
    limits: ReadLimits
    event_types: tuple[str, ...]
    context: Context
    accounts: Accounts | None
    assumed_zone: tzinfo | None
    mapping: Mapping
    payload_policy: PayloadPolicy
    commit: CommitSettings
    dead_letters: list[DeadLetterFile] | None = None
    messages: MessageSettings | None = None


def build(
    root: beam.Pipeline, settings: GraphSettings, local_run: LocalRun = REMOTE_RUN
) -> beam.PCollection:
    """Builds the graph.

    Returns:
        For files, one element after the commit: the path of the manifest. For messages, an empty
        collection.
    """
    commit, messages = settings.commit, settings.messages
    raw_blocks, inputs = _read(root, settings, local_run)
    encoded_blocks = (
        raw_blocks
        | "ParseEvents"
        >> ParseEvents(
            event_types=settings.event_types,
            max_event_bytes=settings.limits.max_event_bytes,
            context=settings.context,
            accounts=settings.accounts,
            assumed_zone=settings.assumed_zone,
        )
        | "DeriveJobStatus" >> DeriveJobStatus(settings.mapping)
        | "EncodeAvro"
        >> EncodeAvro(
            codec=commit.codec,
            payload_policy=settings.payload_policy,
            max_payload_bytes=settings.limits.max_event_bytes,
        )
    )
    if messages is not None and messages.drain is None:
        panes = replace(messages.panes, by_processing_time=runner_reads_pubsub(root))
        pending_acks = encoded_blocks | "WriteAvro" >> WriteAvroPanes(commit, panes, local_run)
    else:
        retry = None if messages is None else messages.pull.retry
        written = encoded_blocks | "WriteAvro" >> WriteAvro(commit, inputs, local_run, retry)
        if messages is None:
            return written.manifest
        pending_acks = written.pending_acks
    return pending_acks | "Acknowledge" >> Acknowledge(
        retry=messages.pull.retry, local_run=local_run
    )


def _read(
    root: beam.Pipeline, settings: GraphSettings, local_run: LocalRun
) -> tuple[beam.PCollection, beam.PCollection | None]:
    """Returns the blocks of payloads and, for files, the notes about the inputs."""
    commit, messages, limits = settings.commit, settings.messages, settings.limits
    if messages is not None:
        return root | "ReadPubSub" >> ReadPubSub(
            messages.subscription,
            topic=messages.topic,
            settings=messages.pull,
            limits=messages.drain,
            window=messages.window,
            local_run=local_run,
        ), None
    if settings.dead_letters is not None:
        read = root | "ReadDeadLetters" >> ReadDeadLetters(
            settings.dead_letters, limits=limits, local_run=local_run
        )
    else:
        read = root | "ReadFiles" >> ReadFiles(
            settings.patterns,
            input_format=settings.input_format,
            limits=limits,
            plan_path=plan_path(commit.output, commit.run_id) if commit.skip_read else None,
            local_run=local_run,
        )
    return read["blocks"], read["inputs"]
