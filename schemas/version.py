"""The version of the project, from its packaging, where it is said once."""

from __future__ import annotations

from importlib.metadata import version

PIPELINE_VERSION: str = version("job-status")
