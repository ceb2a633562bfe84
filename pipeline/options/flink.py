"""Options of Flink's runner that Beam's Python SDK does not define.

Beam learns them from the running job server and passes on those that were given. They are defined
here so that a command line is checked before anything starts.
"""

from __future__ import annotations

import argparse

from apache_beam.options.pipeline_options import PipelineOptions


class FlinkJobOptions(PipelineOptions):
    """Checkpoints and bundles of a Flink job. Flink's defaults apply to options not given."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        for name, action, text in (
            ("checkpointing_interval", "store", "Milliseconds between two checkpoints."),
            ("savepoint_path", "store", "Savepoint or checkpoint to start from."),
            ("number_of_execution_retries", "store", "How often a failed job is restarted."),
            ("max_bundle_size", "store", "Maximum number of elements in a bundle."),
            ("max_bundle_time_mills", "store", "Maximum duration of a bundle in milliseconds."),
            ("externalized_checkpoints_enabled", "store_true", "Keep checkpoints after a failure."),
            (
                "retain_externalized_checkpoints_on_cancellation",
                "store_true",
                "Keep checkpoints after a cancellation.",
            ),
            ("allow_non_restored_state", "store_true", "Ignore the state of removed steps."),
            ("finish_bundle_before_checkpointing", "store_true", "Set for every stream."),
        ):
            parser.add_argument(
                f"--{name}", action=action, default=None, help=f"{text} Flink only."
            )
