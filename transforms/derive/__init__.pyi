from .derive_job_status import DeriveJobStatus as DeriveJobStatus
from .lookup import Step as Step
from .rules import Derived as Derived
from .rules import derive as derive
from .source_value import MAX_CODE_DIGITS as MAX_CODE_DIGITS
from .source_value import id_code as id_code
from .source_value import number_code as number_code
from .source_value import parts as parts
