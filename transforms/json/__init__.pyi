from .text import depth as depth
from .text import kind_of as kind_of
from .text import mask_depth as mask_depth
from .text import mask_invalid_utf8 as mask_invalid_utf8
from .text import mask_lone_surrogates as mask_lone_surrogates
from .text import may_be_deeper as may_be_deeper
from .text import spans_of as spans_of
