"""Numbers with their uncertainty: shares, means, differences, correlations, and many tests at once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
