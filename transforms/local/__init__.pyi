from .install_hint import install_beam_extra as install_beam_extra
from .local_run import REMOTE_RUN as REMOTE_RUN
from .local_run import LocalRun as LocalRun
from .progress import Progress as Progress
from .retry import STOP_CHECK_SECONDS as STOP_CHECK_SECONDS
from .retry import Retry as Retry
from .worker_errors import preserve_error_type as preserve_error_type
from .worker_errors import preserved_error as preserved_error
