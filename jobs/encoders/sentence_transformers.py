"""Any text model of the sentence-transformers library, from the hub or from a folder.

``sentence-transformers:sentence-transformers/all-mpnet-base-v2``, ``sentence-transformers:./my-model``.
Vectors come as the model gives them (many models scale them to length 1). A model whose parts are classes
from outside the library is refused, in a folder too: loading it would run its code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.encoders import always_available

if TYPE_CHECKING:
    import numpy as np

NAME = "sentence-transformers"
VERSION = 1
MODALITIES = frozenset({"text"})
TAKES_ARGUMENT = True
DESCRIPTION = "A text model of the sentence-transformers library, from the Hugging Face hub or a folder."
REFERENCE = "Reimers & Gurevych, Sentence-BERT, EMNLP 2019; licence as on the model's hub page."
IMPORTS = ("torch", "sentence_transformers")
available = always_available


class Model:
    """A text model; with `class_token`, only its transformer and its first token, of texts of so many."""

    def __init__(
        self,
        source: str,
        options: dict[str, Any],
        argument: str,
        device: str,
        *,
        class_token: int | None = None,
    ) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Pooling

        _refuse_code(source, argument)
        self._model = SentenceTransformer(source, device=device, trust_remote_code=False, **options)
        if class_token is not None:
            words: Any = self._model[0]
            words.max_seq_length = min(words.max_seq_length or class_token, class_token)
            pooling = Pooling(words.get_embedding_dimension(), pooling_mode="cls")
            self._model = SentenceTransformer(modules=[words, pooling], device=device)
        self.dimensions = self.embed(["sound"]).shape[1]

    @property
    def network(self) -> Any:
        """The model itself, to be trained further."""
        return self._model

    def embed(self, texts: list[str]) -> np.ndarray:
        import numpy as np
        import torch

        from jobs.encoders._frames import exact

        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        with exact(torch):
            vectors = self._model.encode(texts, batch_size=32, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)  # (n, d)


def _refuse_code(source: str, argument: str) -> None:
    from jobs.encoders._hub import foreign_code

    # Releases before 6 import what a local modules.json names without being asked to trust it.
    modules = Path(source, "modules.json")
    if not modules.is_file():
        return
    for module in json.loads(modules.read_text(encoding="utf-8")):
        if not str(module["type"]).startswith("sentence_transformers."):
            raise foreign_code(argument, f" ({module['type']})")


def load(argument: str | None, *, modality: str, device: str) -> Model:
    """Load a model; `EncoderUnavailable` says why that fails."""
    from jobs.encoders._hub import from_source

    assert argument is not None, "the registry asks for one"
    return from_source(argument, lambda source, options: Model(source, options, argument, device))
