from .parse_events import ParseEvents as ParseEvents
