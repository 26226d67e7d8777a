"""Which classes a zero-shot model is trained on, and which it is judged by."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
