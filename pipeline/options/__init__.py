"""The options of `run`, `validate` and `replay`, their parser and their help."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
