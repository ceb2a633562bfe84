"""BlockBuilder: every payload and ack id is in one block, whatever the messages hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transforms.blocks.block import RawBlock
from transforms.blocks.block_size import BLOCK_BYTES
from transforms.blocks.context import MessageInfo
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.read.file_format import split_payloads

SUBSCRIPTION = "projects/some-project/subscriptions/jobs"


def message(data: bytes, number: int = 0, **attributes: str) -> Message:
    info = MessageInfo(f"m{number}", 1_700_000_000_000_000 + number, attributes)
    return Message(data, info, f"ack-{number}")


def build_blocks(pulled: Iterable[Message], limit: int = 10_000_000) -> list[RawBlock]:
    builder = BlockBuilder(SUBSCRIPTION, limit)
    return [*builder.add(pulled), *builder.flush()]


def context(block: RawBlock, index: int = 0) -> Any:
    assert block.contexts is not None
    return block.contexts[index]


def test_the_context_has_the_known_attributes() -> None:
    attributes = {
        "provider": "lever",
        "account_id": "45",
        "project_id": "p",
        "event": "ats_jobs.updated",
        "other": "x",
    }
    (block,) = build_blocks([message(b"{}", 7, **attributes)])
    assert context(block).provider == "lever"
    assert context(block).account_id == "45"
    assert context(block).project_id == "p"
    assert context(block).event_type == "ats_jobs.updated"
    assert context(block).message == ("m7", 1_700_000_000_000_007, attributes)


def test_an_empty_attribute_is_ignored() -> None:
    (block,) = build_blocks([message(b"{}", provider="", event="")])
    assert context(block).provider is None
    assert context(block).event_type is None


def test_contexts_with_the_same_attributes_are_equal_even_of_two_messages() -> None:
    (block,) = build_blocks([message(b"{}", 1, provider="x"), message(b"{}", 2, provider="x")])
    assert context(block, 0) == context(block, 1)
    assert context(block, 0).message != context(block, 1).message


def test_a_message_without_a_payload_is_acknowledged_too() -> None:
    (block,) = build_blocks([message(b"", 1), message(b" \r\n\t", 2), message(b"\xef\xbb\xbf", 3)])
    assert list(block.payloads) == []
    assert block.pending_acks is not None
    assert block.pending_acks.ack_ids == ["ack-1", "ack-2", "ack-3"]


def test_a_message_over_the_limit_is_rejected_with_its_head_and_its_whole_size() -> None:
    data = b'"' + b"x" * 200_000 + b'"'
    (block,) = build_blocks([message(b"{}", 1), message(data, 2, provider="ashby")], limit=100_000)
    assert list(block.payloads) == [b"{}"]
    (rejection,) = block.rejections
    assert (rejection.code, rejection.step) == ("TOO_LARGE", "ReadPubSub")
    assert data.startswith(rejection.payload)
    assert len(rejection.payload) < len(data)
    assert rejection.full_size == len(data)
    assert rejection.full_sha256 == hashlib.sha256(data).hexdigest()
    assert rejection.context.provider == "ashby"
    assert block.pending_acks is not None
    assert block.pending_acks.ack_ids == ["ack-1", "ack-2"]


def test_a_message_of_exactly_the_limit_is_kept() -> None:
    (block,) = build_blocks([message(b'{"a":1}')], limit=7)
    assert list(block.payloads) == [b'{"a":1}']
    assert not block.rejections


def test_a_pretty_printed_document_is_one_payload() -> None:
    data = b'\xef\xbb\xbf\n{\n  "data": [\n    {"id": 1}\n  ]\n}\n'
    assert list(split_payloads(data)) == [(data[4:-1], 4)]


def test_each_line_is_a_payload_with_its_offset() -> None:
    data = b'{"id":1}\r\n\n  \n{"id":2}\n{"id":3}'
    found = list(split_payloads(data))
    assert [payload for payload, _ in found] == [b'{"id":1}', b'{"id":2}', b'{"id":3}']
    assert all(data[offset:].startswith(payload) for payload, offset in found)


def test_a_full_block_is_yielded_before_the_next_message() -> None:
    builder = BlockBuilder(SUBSCRIPTION, 10_000_000)
    large = message(b"{" + b" " * BLOCK_BYTES + b"}", 1)
    (block,) = builder.add([large])
    assert list(block.payloads) == [large.data]
    assert list(builder.flush()) == []


def test_messages_without_a_payload_fill_a_block_too() -> None:
    builder = BlockBuilder(SUBSCRIPTION, 10_000_000)
    blocks = list(builder.add(message(b"", number) for number in range(25_000)))
    assert len(blocks) == 2


def test_a_message_that_the_runner_acknowledges_adds_no_ack_id() -> None:
    (block,) = build_blocks([message(b"{}")._replace(ack_id="")])
    assert block.pending_acks is not None
    assert block.pending_acks.ack_ids == []


def test_pending_acks_have_the_publish_time_of_the_oldest_message() -> None:
    (block,) = build_blocks([message(b"{}", 5), message(b"{}", 3), message(b"{}", 9)])
    assert block.pending_acks is not None
    assert block.pending_acks.oldest == 1_700_000_000_000_003


@given(st.binary(max_size=60))
def test_payloads_are_parts_of_the_message_in_order(data: bytes) -> None:
    end = 0
    for payload, offset in split_payloads(data):
        assert payload.strip()
        assert offset >= end
        assert data[offset : offset + len(payload)] == payload
        end = offset + len(payload)
    rest = data
    for payload, _ in split_payloads(data):
        rest = rest.replace(payload, b"", 1)
    assert not rest.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")


@given(st.lists(st.sampled_from([b"", b"{}", b"[]", b"x" * 50, b"{}\n{}\n"]), max_size=40))
def test_each_ack_id_is_in_exactly_one_block(payloads: list[bytes]) -> None:
    pulled = [message(data, number) for number, data in enumerate(payloads)]
    pending_acks = [block.pending_acks for block in build_blocks(pulled, limit=20)]
    ack_ids = [ack_id for each in pending_acks if each for ack_id in each.ack_ids]
    assert ack_ids == [each.ack_id for each in pulled]
