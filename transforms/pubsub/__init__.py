"""Reads Pub/Sub messages as raw blocks, and acknowledges them after the commit."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
