"""The graph: one for every input and every runner, a line for each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from schemas.mapping import Mapping
from transforms.blocks import Context
from transforms.commit import CommitSettings
from transforms.dead_letter_files import DeadLetterFile
from transforms.dead_letters import PayloadPolicy
from transforms.derive_job_status import DeriveJobStatus
from transforms.encode_avro import EncodeAvro
from transforms.lifeline import Lifeline
from transforms.parse_events import ParseEvents
from transforms.read_dead_letters import ReadDeadLetters
from transforms.read_files import InputFormat, ReadFiles, ReadLimits
from transforms.write_avro import WriteAvro


@dataclass(frozen=True)
class GraphSettings:
    """What the graph is made of; it reads `dead_letters` instead of files where they are given."""

    patterns: list[str]
    input_format: InputFormat
    limits: ReadLimits
    event_types: tuple[str, ...]
    context: Context
    mapping: Mapping
    payload_policy: PayloadPolicy
    commit: CommitSettings
    dead_letters: list[DeadLetterFile] | None = None


def build(
    root: beam.Pipeline, settings: GraphSettings, lifeline: Lifeline | None = None
) -> beam.PCollection:
    """Builds the graph.

    Args:
        root: The pipeline.
        settings: What the graph is made of.
        lifeline: What ends the workers of a local run with it.

    Returns:
        A collection of one element: the path of the manifest, once everything is committed.
    """
    limit = settings.limits.max_event_bytes
    read = _read(root, settings)
    return (
        read["blocks"]
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
        | "WriteAvro" >> WriteAvro(settings.commit, read["inputs"], lifeline)
    )


def _read(root: beam.Pipeline, settings: GraphSettings) -> dict[str, beam.PCollection[Any]]:
    if settings.dead_letters is not None:
        return root | "ReadDeadLetters" >> ReadDeadLetters(
            settings.dead_letters, limits=settings.limits
        )
    return root | "ReadFiles" >> ReadFiles(
        settings.patterns, input_format=settings.input_format, limits=settings.limits
    )
