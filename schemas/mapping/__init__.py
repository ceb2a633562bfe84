"""The mapping tables: parses, checks and indexes the rules that give a status its meaning."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
