from .avro_columns import zigzag_varint as zigzag_varint
from .dead_letters import PayloadPolicy as PayloadPolicy
from .encode_avro import AvroBlock as AvroBlock
from .encode_avro import Codec as Codec
from .encode_avro import EncodeAvro as EncodeAvro
from .encode_avro import EncodedBlock as EncodedBlock
