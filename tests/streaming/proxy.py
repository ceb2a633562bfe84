"""A gRPC proxy in front of the Pub/Sub server of the tests.

It holds an empty pull until a message arrives or the deadline passes, as the real service does; the
server of the tests answers at once. It can also refuse calls, and answer late.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

_SERVICE = "/google.pubsub.v1.Subscriber/"
_ANY_SIZE = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
_POLL_SECONDS = 0.02
_RETURN_IMMEDIATELY = b"\x10\x01"
"""The field of a PullRequest for an answer at once: only the proxy holds pulls."""


class Fault(NamedTuple):
    """The proxy's answer to a call.

    Attributes:
        code: The status of its answer; None for the answer of the server.
        seconds: How late it is answered.
        refused: Ack ids that its error names, as exactly-once delivery does.
    """

    code: grpc.StatusCode | None = None
    seconds: float = 0.0
    refused: Sequence[str] = ()


class FaultProxy(grpc.GenericRpcHandler):
    """Passes calls on to a server.

    Args:
        server: The address of the server.

    Attributes:
        address: Its own address.
        calls: The number of calls of each method, by its short name: `Pull`, for example.
    """

    def __init__(self, server: str) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(server, _ANY_SIZE)
        self._server = grpc.server(
            ThreadPoolExecutor(64), [self], options=(("grpc.so_reuseport", 0), *_ANY_SIZE)
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def next(self, method: str, *faults: Fault) -> None:
        """Adds faults for the next calls of a method, one for each call."""
        with self._lock:
            self._faults[method].extend(faults)

    def always(self, method: str, fault: Fault | None) -> None:
        """Sets the fault of all calls of a method; None for no fault."""
        with self._lock:
            if fault is None:
                self._always.pop(method, None)
            else:
                self._always[method] = fault

    def stop(self) -> None:
        """Ends the proxy; open calls are cancelled."""
        self._server.stop(None)
        self._channel.close()

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of a method."""
        method = handler_call_details.method
        if method == f"{_SERVICE}StreamingPull":
            stream = self._channel.stream_stream(method)
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: stream(requests))
        call = self._channel.unary_unary(method)
        name = method.rpartition("/")[2]

        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            fault = self._fault_of(name)
            time.sleep(fault.seconds)
            if fault.refused:
                context.set_trailing_metadata([_details(fault.refused)])
            if fault.code is not None:
                context.abort(fault.code, "injected")
            try:
                if name == "Pull":
                    request += _RETURN_IMMEDIATELY
                answer = call(request)
                while name == "Pull" and not answer:
                    # The service cancels a pull that nobody waits for before it leases a message.
                    if not context.is_active() or (context.time_remaining() or 60.0) < 0.1:
                        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no message")
                    time.sleep(_POLL_SECONDS)
                    answer = call(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    def _fault_of(self, name: str) -> Fault:
        with self._lock:
            self.calls[name] += 1
            faults = self._faults[name]
            return faults.popleft() if faults else self._always.get(name, Fault())


def _details(refused: Sequence[str]) -> tuple[str, bytes]:
    info = error_details_pb2.ErrorInfo(
        reason="EXACTLY_ONCE_ACKID_FAILURE",
        metadata=dict.fromkeys(refused, "PERMANENT_FAILURE_INVALID_ACK_ID"),
    )
    status = status_pb2.Status(
        code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message="injected"
    )
    status.details.add().Pack(info)
    return "grpc-status-details-bin", status.SerializeToString()


@contextmanager
def fault_proxy(server: str) -> Iterator[FaultProxy]:
    """Yields a proxy in front of a server."""
    proxy = FaultProxy(server)
    try:
        yield proxy
    finally:
        with suppress(Exception):
            proxy.stop()
