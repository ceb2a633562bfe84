"""The version of the project and the namespace of its metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

PIPELINE_VERSION: str = version("job-status")

METRICS_NAMESPACE: Final = "job_status"
"""The Beam namespace for the metrics of all steps."""
