"""JSON decoders that keep the exact text of the values inside an object or an array."""

from __future__ import annotations

import msgspec
from msgspec import Raw

decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
decode_array = msgspec.json.Decoder(list[Raw]).decode
decode_raw = msgspec.json.Decoder(Raw).decode
decode_string = msgspec.json.Decoder(str).decode
