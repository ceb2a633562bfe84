"""Exact JSON text: types, positions, nesting and decoders that keep the text of values."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
