"""Loads Beam's filesystems, which open the paths that have a scheme.

Importing Beam takes about 2 s. A command that uses local paths only does without it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apache_beam.io.filesystems import FileSystems

_S3_CLIENT = "apache_beam.io.aws.clients.s3.boto3_client"
_s3_sessions = threading.local()


@cache
def beam_filesystems() -> type[FileSystems]:
    """Imports Beam's filesystems on the first call, and returns them."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.options.value_provider import RuntimeValueProvider

    if (FileSystems._pipeline_options or RuntimeValueProvider.runtime_options) is None:
        # Beam's S3 client refuses to work without options.
        FileSystems.set_options(PipelineOptions([]))
    client: Any = sys.modules.get(_S3_CLIENT)
    if getattr(client, "boto3", None) is not None:
        client.boto3 = SimpleNamespace(session=SimpleNamespace(Session=_s3_session))
    return FileSystems


def set_filesystem_options(arguments: Sequence[str]) -> None:
    """Sets the options of Beam's filesystems, for instance an endpoint of S3."""
    from apache_beam.options.pipeline_options import PipelineOptions

    beam_filesystems().set_options(PipelineOptions(list(arguments)))


def _s3_session() -> Any:
    """Returns the S3 session of this thread; sessions are not thread-safe.

    Beam makes a new session for every request. A new session parses the description of the whole
    service: 155 ms of processor time. A request with an existing session takes 7 ms (measured on
    two cores).
    """
    import boto3

    if not hasattr(_s3_sessions, "session"):
        _s3_sessions.session = boto3.session.Session()
    return _s3_sessions.session
