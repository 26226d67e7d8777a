"""The folder that holds datasets, jobs and results, and what people keep in it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
