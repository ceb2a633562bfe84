"""EncodeAvro: event columns to encoded records, encoded dead letters and the ledger of a block."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
