"""Files, manifests and staging of an output, on every filesystem that Beam supports."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
