"""Options of Flink's engine that Beam's Python side does not know.

Beam learns them from the job server once that runs, and passes on those that were given. They are
named here so that a command line can be checked before anything starts.
"""

from __future__ import annotations

import argparse

from apache_beam.options.pipeline_options import PipelineOptions


class FlinkEngineOptions(PipelineOptions):
    """What a job has to say of its checkpoints and bundles; what is not given is left to Flink."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        for name, text in (
            ("checkpointing_interval", "Milliseconds between two checkpoints. Flink only."),
            ("savepoint_path", "Savepoint or checkpoint to start from. Flink only."),
            ("number_of_execution_retries", "How often a failed job is restored. Flink only."),
            ("max_bundle_size", "Elements of a bundle at most. Flink only."),
            ("max_bundle_time_mills", "Milliseconds of a bundle at most. Flink only."),
        ):
            parser.add_argument(f"--{name}", default=None, help=text)
        for name, text in (
            ("externalized_checkpoints_enabled", "Keep checkpoints where a job fails. Flink only."),
            (
                "retain_externalized_checkpoints_on_cancellation",
                "Keep them where it is cancelled as well. Flink only.",
            ),
            ("allow_non_restored_state", "Start without the state of removed steps. Flink only."),
        ):
            parser.add_argument(f"--{name}", action="store_true", default=None, help=text)
