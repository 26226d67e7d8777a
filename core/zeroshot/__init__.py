"""Zero-shot audio classifiers: audio and class texts projected into one space and compared by angle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
