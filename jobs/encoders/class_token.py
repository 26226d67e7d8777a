"""The class token of any text transformer, as the public CLAP takes it of BERT.

``class-token:google-bert/bert-base-uncased``, ``class-token:./my-bert``: the last hidden state of a text's
first token, of up to 100 tokens. `sentence-transformers` averages over the tokens of such a model instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.encoders import always_available

if TYPE_CHECKING:
    from jobs.encoders.sentence_transformers import Model

NAME = "class-token"
VERSION = 1
MODALITIES = frozenset({"text"})
TAKES_ARGUMENT = True
DESCRIPTION = "The class token of a text transformer such as BERT, from the Hugging Face hub or a folder."
REFERENCE = "Devlin et al., BERT, NAACL 2019; Elizalde et al., CLAP, ICASSP 2023."
IMPORTS = ("torch", "sentence_transformers")
available = always_available

_LONGEST = 100  # tokens, as in the public CLAP


def load(argument: str | None, *, modality: str, device: str) -> Model:
    """Load a model; `EncoderUnavailable` says why that fails."""
    from jobs.encoders._hub import from_source
    from jobs.encoders.sentence_transformers import Model

    assert argument is not None, "the registry asks for one"

    def build(source: str, options: dict[str, Any]) -> Model:
        return Model(source, options, argument, device, class_token=_LONGEST)

    return from_source(argument, build)
