from .accounts import Accounts as Accounts
from .accounts import parse_accounts as parse_accounts
from .parse_events import ParseEvents as ParseEvents
from .timestamps import zone_of as zone_of
