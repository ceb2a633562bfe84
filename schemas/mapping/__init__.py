"""The mapping tables: reads, checks and looks up what a status means."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
