"""How far two spaces of the same things agree: on who is near whom, and on their geometry as a whole."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
