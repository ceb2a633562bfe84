from .install_hint import install_beam_extra as install_beam_extra
from .lifeline import Lifeline as Lifeline
from .progress import Progress as Progress
from .worker_errors import carried_error as carried_error
from .worker_errors import carried_to_launcher as carried_to_launcher
