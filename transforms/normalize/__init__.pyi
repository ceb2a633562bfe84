from .normalize_job_status import NormalizedJobStatus as NormalizedJobStatus
from .normalize_job_status import NormalizeJobStatus as NormalizeJobStatus
from .read_job_events import ReadJobEvents as ReadJobEvents
from .records import DeadLetter as DeadLetter
from .records import JobStatusEvent as JobStatusEvent
from .write_job_status import WriteJobStatus as WriteJobStatus
