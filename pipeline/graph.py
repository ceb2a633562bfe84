"""The graph: one for every input and every runner, a line for each step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam

from schemas.mapping import Mapping
from transforms.blocks import Context
from transforms.derive import DeriveJobStatus
from transforms.encode import EncodeAvro, PayloadPolicy
from transforms.local import REMOTE_RUN, LocalRun
from transforms.parse import ParseEvents
from transforms.pubsub import (
    Acknowledge,
    DrainLimits,
    PullSettings,
    ReadPubSub,
    runner_reads_pubsub,
)
from transforms.read import DeadLetterFile, InputFormat, ReadDeadLetters, ReadFiles, ReadLimits
from transforms.write import CommitSettings, PaneSettings, WriteAvro, WriteAvroPanes


@dataclass(frozen=True)
class MessageSettings:
    """Which messages are read, and how.

    Attributes:
        subscription: Its full name, or None with a topic.
        topic: Its full name, or None.
        pull: How to pull, where this project does.
        drain: Makes the read bounded: one batch of a drain, committed as a whole.
        panes: What an unbounded read is committed by.
    """

    subscription: str | None
    topic: str | None
    pull: PullSettings
    drain: DrainLimits | None
    panes: PaneSettings


@dataclass(frozen=True)
class GraphSettings:
    """What the graph is made of.

    Where `dead_letters` or `messages` are given, these are read instead of files.
    """

    patterns: list[str]
    input_format: InputFormat
    limits: ReadLimits
    event_types: tuple[str, ...]
    context: Context
    mapping: Mapping
    payload_policy: PayloadPolicy
    commit: CommitSettings
    dead_letters: list[DeadLetterFile] | None = None
    messages: MessageSettings | None = None


def build(
    root: beam.Pipeline, settings: GraphSettings, local_run: LocalRun = REMOTE_RUN
) -> beam.PCollection:
    """Builds the graph.

    Args:
        root: The pipeline.
        settings: What the graph is made of.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        A collection of one element: the path of the manifest, once everything is committed. Of
        messages, an empty one, once they are acknowledged.
    """
    messages, commit = settings.messages, settings.commit
    if messages is None:
        read = _read(root, settings, local_run)
        blocks = _encoded(read["blocks"], settings)
        return (blocks | "WriteAvro" >> WriteAvro(commit, read["inputs"], local_run)).manifest
    blocks = _encoded(_pull(root, messages, local_run), settings)
    if messages.drain is not None:
        pending_acks = (blocks | "WriteAvro" >> WriteAvro(commit, None, local_run)).pending_acks
    else:
        panes = replace(messages.panes, by_processing_time=runner_reads_pubsub(root))
        pending_acks = blocks | "WriteAvro" >> WriteAvroPanes(commit, panes, local_run)
    return pending_acks | "Acknowledge" >> Acknowledge(
        retry_seconds=messages.pull.lease_seconds, local_run=local_run
    )


def _encoded(blocks: beam.PCollection, settings: GraphSettings) -> beam.PCollection:
    limit = settings.limits.max_event_bytes
    return (
        blocks
        | "ParseEvents"
        >> ParseEvents(
            event_types=settings.event_types, max_event_bytes=limit, context=settings.context
        )
        | "DeriveJobStatus" >> DeriveJobStatus(settings.mapping)
        | "EncodeAvro"
        >> EncodeAvro(
            codec=settings.commit.codec,
            payload_policy=settings.payload_policy,
            max_payload_bytes=limit,
        )
    )


def _pull(root: beam.Pipeline, messages: MessageSettings, local_run: LocalRun) -> beam.PCollection:
    return root | "ReadPubSub" >> ReadPubSub(
        messages.subscription,
        topic=messages.topic,
        settings=messages.pull,
        limits=messages.drain,
        local_run=local_run,
    )


def _read(
    root: beam.Pipeline, settings: GraphSettings, local_run: LocalRun
) -> dict[str, beam.PCollection[Any]]:
    if settings.dead_letters is not None:
        return root | "ReadDeadLetters" >> ReadDeadLetters(
            settings.dead_letters, limits=settings.limits, local_run=local_run
        )
    return root | "ReadFiles" >> ReadFiles(
        settings.patterns,
        input_format=settings.input_format,
        limits=settings.limits,
        local_run=local_run,
    )
