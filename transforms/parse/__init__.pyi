from .parse_events import ParseEvents as ParseEvents
from .timestamps import zone_of as zone_of
