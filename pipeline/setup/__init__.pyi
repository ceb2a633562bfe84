from .output_directories import removed_where_unused as removed_where_unused
from .preflight import Preflight as Preflight
from .preflight import validate as validate
from .prepare import check_output as check_output
from .prepare import is_committed as is_committed
from .text_files import override_text as override_text
from .text_files import read_mapping as read_mapping
from .text_files import read_text as read_text
