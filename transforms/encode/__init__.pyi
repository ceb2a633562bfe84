from .dead_letters import PayloadPolicy as PayloadPolicy
from .encode_avro import EncodeAvro as EncodeAvro
