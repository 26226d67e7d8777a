"""The artifact store: content-addressed results on disk.

>>> from cache import ArtifactStore
"""

from cache.artifact import Artifact
from cache.checks import Problem
from cache.errors import CacheError, CorruptArtifact, MissingArtifact
from cache.index import ArtifactInfo
from cache.store import ArtifactStore
from cache.writer import ArtifactWriter

__all__ = [
    "Artifact",
    "ArtifactInfo",
    "ArtifactStore",
    "ArtifactWriter",
    "CacheError",
    "CorruptArtifact",
    "MissingArtifact",
    "Problem",
]
