from .normalize import DeadLetter as DeadLetter
from .normalize import JobStatusEvent as JobStatusEvent
from .normalize import NormalizedJobStatus as NormalizedJobStatus
from .normalize import NormalizeJobStatus as NormalizeJobStatus
from .normalize import ReadJobEvents as ReadJobEvents
from .normalize import WriteJobStatus as WriteJobStatus
