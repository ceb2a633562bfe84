"""The steps of job-status, as transforms of Apache Beam."""

from job_status import check_packages

check_packages("schemas")
