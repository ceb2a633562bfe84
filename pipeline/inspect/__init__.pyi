from .command import inspect as inspect
