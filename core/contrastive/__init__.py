"""Two branches, one of sounds and one of texts, that training brings together (CLAP)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
