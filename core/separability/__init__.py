"""How well the classes of a space stand apart, and how the space is shaped."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
