from .command import sample as sample
