"""The whole path of an event as one transform, with ends that read and write files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
