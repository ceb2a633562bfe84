"""The contracts of job-status: Avro schemas, mapping tables, manifests, errors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
