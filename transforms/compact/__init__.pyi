from .avro_fields import Records as Records
from .commit import replacement_of as replacement_of
from .compact_files import Compact as Compact
from .compact_files import CompactSettings as CompactSettings
from .counts import count_records as count_records
from .sources import PartitionBy as PartitionBy
from .sources import Sources as Sources
from .sources import find_sources as find_sources
