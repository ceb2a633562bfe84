"""The transforms of job-status, for pipelines of your own: NormalizeJobStatus and its ends."""

import lazy_loader

from job_status import check_packages

check_packages("schemas")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
