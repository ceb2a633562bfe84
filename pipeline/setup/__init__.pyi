from .mapping_files import override_text as override_text
from .mapping_files import read_mapping as read_mapping
from .output_directories import owned_output as owned_output
from .preflight import Preflight as Preflight
from .preflight import validate as validate
from .prepare import check_same_input as check_same_input
from .prepare import is_committed as is_committed
