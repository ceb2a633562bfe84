from .command import mapping as mapping
