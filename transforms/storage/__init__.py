"""Files, staging directories and manifests of an output, on local disk and on object stores."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
