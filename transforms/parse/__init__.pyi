from .fields import context_beside as context_beside
from .parse_events import STATUS_TEXT as STATUS_TEXT
from .parse_events import ParseEvents as ParseEvents
from .parse_events import constant as constant
from .text_columns import strings as strings
