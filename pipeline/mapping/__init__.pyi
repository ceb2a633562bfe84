from .command import mapping as mapping
from .suggest import suggest_text as suggest_text
