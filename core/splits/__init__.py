"""Which classes a zero-shot model is trained on, and which it is judged by.

Similarity splits vary how many training classes lie in the cluster that the test classes come from; diversity
splits vary how similar the training classes are to each other. All draws depend on the seed and on the names
of the classes, not on their order. Light to import: pages use it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
