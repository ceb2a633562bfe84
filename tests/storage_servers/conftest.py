"""Servers of S3 and GCS on this machine, and a bucket of each for a test."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import COMPONENTS, _module
from transforms.local.install_hint import pip_install

COMPONENTS["gcs_server"] = _module("gcp_storage_emulator", pip_install("gcp-storage-emulator"))
COMPONENTS["s3_server"] = _module("moto.server", pip_install("moto[server]"))

STORES = [
    pytest.param("s3_bucket", id="s3", marks=pytest.mark.needs("s3_server", "aws")),
    pytest.param("gcs_bucket", id="gcs", marks=pytest.mark.needs("gcs_server", "gcp")),
]


@dataclass(frozen=True)
class Bucket:
    """A bucket of an object store.

    Attributes:
        scheme: s3 or gs.
        name: Name of the bucket.
        options: Options of Beam for the server.
        client: Client of the store's own library, with which the tests read the bucket.
    """

    scheme: str
    name: str
    options: list[str]
    client: Any

    @property
    def url(self) -> str:
        """The URL of the bucket."""
        return f"{self.scheme}://{self.name}"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Returns the objects of the bucket by key."""
        raise NotImplementedError

    def put(self, key: str, data: bytes) -> None:
        """Puts an object."""
        raise NotImplementedError


class S3Bucket(Bucket):
    """A bucket of S3."""

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {
            key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys
        }

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)


class GcsBucket(Bucket):
    """A bucket of GCS."""

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        blobs = self.client.list_blobs(self.name, prefix=prefix)
        return {blob.name: blob.download_as_bytes() for blob in blobs}

    def put(self, key: str, data: bytes) -> None:
        self.client.bucket(self.name).blob(key).upload_from_string(data)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Starts a server of S3, and yields its address."""
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


@pytest.fixture(scope="session")
def gcs_endpoint() -> Iterator[str]:
    """Starts a server of GCS, and yields its address."""
    from gcp_storage_emulator.server import create_server

    # The server cannot choose a free port.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with create_server("127.0.0.1", port, in_memory=True):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def s3_bucket(s3_endpoint: str) -> Bucket:
    """A new bucket of S3."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    name = f"jobs-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    options = [
        f"--s3_endpoint_url={s3_endpoint}",
        "--s3_access_key_id=testing",
        "--s3_secret_access_key=testing",
        "--s3_region_name=us-east-1",
    ]
    return S3Bucket("s3", name, options, client)


@pytest.fixture
def gcs_bucket(gcs_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket of GCS. Google's library finds the server by a variable."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_endpoint)
    from apache_beam.internal.gcp import auth
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    # Beam would search for credentials for 20 s, as it does in worker processes.
    monkeypatch.setattr(auth._Credentials, "_credentials_init", True)
    client = Client(project="test-project", credentials=AnonymousCredentials())
    name = f"jobs-{uuid.uuid4().hex}"
    client.create_bucket(name)
    return GcsBucket("gs", name, [], client)


@pytest.fixture(params=STORES)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A new bucket of each store."""
    found: Bucket = request.getfixturevalue(request.param)
    return found
