from .commit import replacement_of as replacement_of
from .compact_files import Compact as Compact
from .compact_files import CompactSettings as CompactSettings
from .sources import PartitionBy as PartitionBy
from .sources import Sources as Sources
from .sources import find_sources as find_sources
