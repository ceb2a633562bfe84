from .details import PageDetails as PageDetails
from .details import page_details as page_details
from .page import report_page as report_page
