"""Compact: rewrites the committed files of many runs as few large ones, without duplicates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
