from .dead_letters import PayloadPolicy as PayloadPolicy
from .dead_letters import dead_letters as dead_letters
from .encode_avro import EncodeAvro as EncodeAvro
from .encode_avro import compressed as compressed
from .encode_avro import find_violation as find_violation
