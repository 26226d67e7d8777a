"""Networks on spectrograms, and their training as classifiers. This folder imports torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
