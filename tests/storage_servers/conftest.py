"""An S3 server on this machine, and a bucket for each test."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import COMPONENTS, _module
from transforms.local.install_hint import pip_install

COMPONENTS["s3_server"] = _module("moto.server", pip_install("moto[server]"))


@dataclass(frozen=True)
class Bucket:
    """A bucket and its server.

    Attributes:
        name: Name of the bucket.
        endpoint: Address of the server.
        client: Client of boto3, with which the tests read the bucket.
    """

    name: str
    endpoint: str
    client: Any

    @property
    def url(self) -> str:
        """The URL of the bucket."""
        return f"s3://{self.name}"

    @property
    def options(self) -> list[str]:
        """Options of Beam for the server."""
        return [
            f"--s3_endpoint_url={self.endpoint}",
            "--s3_access_key_id=testing",
            "--s3_secret_access_key=testing",
            "--s3_region_name=us-east-1",
        ]

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Returns the objects of the bucket by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {
            key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys
        }

    def put(self, key: str, data: bytes) -> None:
        """Puts an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Starts a server, and yields its address."""
    from moto.server import ThreadedMotoServer

    # Do not log every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    """A new bucket."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    name = f"jobs-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return Bucket(name, endpoint, client)
