from .text import covering_depth as covering_depth
from .text import covering_invalid_utf8 as covering_invalid_utf8
from .text import covering_lone_surrogates as covering_lone_surrogates
from .text import depth as depth
from .text import kind_of as kind_of
from .text import may_be_deeper as may_be_deeper
from .text import spans_of as spans_of
