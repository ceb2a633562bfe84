from .accounts import Accounts as Accounts
from .accounts import parse_accounts as parse_accounts
from .event_types import DEFAULT_EVENT_TYPES as DEFAULT_EVENT_TYPES
from .event_types import EventTypes as EventTypes
from .parse_events import EventParser as EventParser
from .parse_events import ParseEvents as ParseEvents
from .timestamps import zone_of as zone_of
