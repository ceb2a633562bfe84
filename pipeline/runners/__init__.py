"""Chooses the Beam runner of a run, starts it and runs graphs on it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
