"""Encoders: models and formulas that turn a clip or a text into a vector.

An encoder is a module in this folder, or one that another distribution names in the entry-point group
``hearspace.encoders``. It holds plain facts and two functions:

========================  ==========================================================================
``NAME``                  what users write, such as ``"melstats"``
``VERSION``               int; goes up whenever the same clip would get another vector
``MODALITIES``            ``{"audio"}``, ``{"text"}`` or both
``TAKES_ARGUMENT``        True where a model must be named: ``"transformers:laion/clap-htsat-unfused"``
``DESCRIPTION``           one sentence for people
``REFERENCE``             paper, source and licence of the weights
``available()``           None if it can run, else one sentence: what is missing and what to do
``load(argument, ...)``   ``load(argument, *, modality, device)`` -> `AudioModel` or `TextModel`
``IMPORTS``               optional: heavy modules that a waiting child may import ahead of time
``CARD``                  optional: a `Card` with facts about the model
``card(argument)``        optional: the `Card` of a certain model, if it depends on the argument
``identity(argument)``    optional: the identity of an argument, if its spelling does not determine it
``INDEPENDENT``           optional: devices on which a clip's embedding is the same to the byte whatever
                          other clips are in the call, so that it need not be embedded again
========================  ==========================================================================

This registry is light: it imports no numerics, and encoder modules import theirs inside functions.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from jobs.encoders._folders import fingerprint, is_folder, resolve
from jobs.registry import Registry

if TYPE_CHECKING:
    import numpy as np

ENTRY_POINTS = "hearspace.encoders"
Modality = Literal["audio", "text"]


@dataclass(frozen=True)
class Card:
    """Facts about a model, for a table of models; None for what is not known.

    Attributes
    ----------
    modality : str
        The modality of its training data, ``"audio"`` or several joined as in ``"audio & language"``.
    objective : str
        Its training objective: ``"classification"``, ``"contrastive alignment"``, ``"none"``, ...
    parameters : int
        Of the part that embeds.
    training_data : int
        Clips, or pairs of a clip and something else, that it was trained on.
    dimensions : int
        Length of an embedding.
    """

    modality: str | None = None
    objective: str | None = None
    parameters: int | None = None
    training_data: int | None = None
    dimensions: int | None = None


class EncoderError(ValueError):
    """An encoder cannot be used; the message says why and what to do."""


class UnknownEncoder(EncoderError):
    """No encoder has this name, or it does not embed this modality."""


class EncoderUnavailable(EncoderError):
    """The encoder is known, but its weights or libraries are missing."""


@runtime_checkable
class AudioModel(Protocol):
    """A loaded audio encoder.

    Attributes
    ----------
    sample_rate : int
        Hz at which waveforms must come.
    dimensions : int
        Length d of an embedding.
    frame_level : bool
        Whether a clip gives a sequence of frames; if not, each clip has exactly one row.
    min_samples : int
        Shorter waveforms are padded by the model itself; it is stated for information.
    """

    sample_rate: int
    dimensions: int
    frame_level: bool
    min_samples: int

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Embed mono float32 waveforms of any length: one (frames, d) float32 array each, frames >= 1."""


@runtime_checkable
class TextModel(Protocol):
    """A loaded text encoder with embeddings of length `dimensions`."""

    dimensions: int

    def embed(self, texts: list[str]) -> np.ndarray:
        """Embed n texts: (n, d) float32."""


class ClipModel:
    """An audio encoder with one vector a clip, for subclasses that compute it in `vector`."""

    sample_rate: int
    dimensions: int
    frame_level = False
    min_samples: int

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Embed waveforms: (1, d) each."""
        from jobs.encoders._frames import pad

        return [self.vector(pad(x, self.min_samples))[None, :] for x in waveforms]

    def vector(self, x: np.ndarray) -> np.ndarray:
        """Embed a waveform of at least `min_samples`: (d,) float32."""
        raise NotImplementedError


class Encoder(Protocol):
    """The contents of an encoder module."""

    NAME: str
    VERSION: int
    MODALITIES: frozenset[str]
    TAKES_ARGUMENT: bool
    DESCRIPTION: str
    REFERENCE: str

    def available(self) -> str | None:
        """Return None if the encoder can run, else one sentence why not and what to do."""

    def load(self, argument: str | None, *, modality: Modality, device: str) -> Any:
        """Load the model onto `device`, ``"cpu"`` or ``"cuda"``."""


def always_available() -> str | None:
    """Return None: nothing but this distribution's dependencies is needed."""
    return None


REGISTRY = Registry(__name__, ENTRY_POINTS, "Encoder", (*Encoder.__annotations__, "available", "load"))


def modules(modality: Modality | None = None) -> dict[str, Encoder]:
    """Return every encoder by its name, those of this distribution first, each part in order of name."""
    return {n: m for n, m in REGISTRY.modules.items() if modality is None or modality in m.MODALITIES}


def names(modality: Modality | None = None) -> list[str]:
    """Return the names of all encoders, or of those that embed `modality`."""
    return list(modules(modality))


def problems() -> dict[str, str]:
    """Return what is wrong with encoders of other distributions that cannot be used, by entry point."""
    return dict(REGISTRY.problems)


def get(name: str, *, modality: Modality | None = None) -> tuple[Encoder, str | None]:
    """Find an encoder by what the user wrote.

    Parameters
    ----------
    name : str
        ``"melstats"``, or with an argument ``"transformers:laion/clap-htsat-unfused"``. An argument that
        begins with ``/``, ``./``, ``../`` or ``~`` is a folder; anything else is a hub id.
    modality : {"audio", "text"}, optional
        What it is to embed.

    Returns
    -------
    module, argument
        The encoder module and its argument, None if it takes none.

    Raises
    ------
    UnknownEncoder
        For an unknown name, a missing or superfluous argument, or the wrong modality.
    """
    head, colon, argument = name.partition(":")
    module: Encoder | None = REGISTRY.find(head)
    if module is None:
        known = ", ".join(_spelled(m) for m in modules(modality).values())
        raise UnknownEncoder(f"There is no encoder {head!r}; there are {known}.{REGISTRY.problem(head)}")
    if module.TAKES_ARGUMENT and not argument:
        raise UnknownEncoder(f"{head} needs a model: write {head}:<hub id>, or {head}:./folder for your own.")
    if colon and not module.TAKES_ARGUMENT:
        raise UnknownEncoder(f"{head} takes no model; write {head!r} instead of {name!r}.")
    if modality is not None and modality not in module.MODALITIES:
        known = ", ".join(_spelled(m) for m in modules(modality).values())
        raise UnknownEncoder(f"{head} does not embed {modality}; encoders that do are {known}.")
    return module, argument or None


def _spelled(module: Encoder) -> str:
    return f"{module.NAME}:<model>" if module.TAKES_ARGUMENT else module.NAME


def canonical(name: str, *, modality: Modality | None = None) -> str:
    """Return `name` with a folder's path made absolute, so that it means the same in every working folder."""
    module, argument = get(name, modality=modality)
    if argument is not None and is_folder(argument):
        return f"{module.NAME}:{resolve(argument)}"
    return name


def short(name: str) -> str:
    """Return a name for people: of a model in a folder, the folder's last name.

    Examples
    --------
    >>> short("onnx:/home/me/models/my-net"), short("transformers:laion/clap-htsat-unfused")
    ('onnx:my-net', 'transformers:laion/clap-htsat-unfused')
    """
    head, _, argument = name.partition(":")
    last = argument.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return f"{head}:{last}" if last and is_folder(argument) else name


def identity(name: str, *, modality: Modality) -> str:
    """Return the identity of the model that a name means, as part of a result's key.

    Returns
    -------
    str
        ``"melstats/1"``, ``"transformers/1:laion/clap-htsat-unfused"``, and for a folder its last name
        and a fingerprint of its files: ``"transformers/1:my-clap#5f1c09aa63d2e1b4"``.

    Raises
    ------
    UnknownEncoder
        As `get`, and for a folder that does not exist.
    """
    module, argument = get(name, modality=modality)
    base = f"{module.NAME}/{module.VERSION}"
    own = getattr(module, "identity", None)
    if own is not None:
        return f"{base}:{own(argument)}"
    if argument is None:
        return base
    if not is_folder(argument):
        return f"{base}:{argument}"
    folder = resolve(argument)
    if not folder.is_dir():
        raise UnknownEncoder(
            f"There is no folder {folder}, which {name!r} names; give one that holds a model."
        )
    return f"{base}:{folder.name}#{fingerprint(folder)}"


def card(name: str, meta: Mapping[str, Any] | None = None) -> Card:
    """Return the card of a model; what is not known is None.

    Parameters
    ----------
    name : str
        As for `get`; the mere name of an encoder that takes a model gives the facts common to all its models.
    meta : mapping, optional
        ``meta`` of the artifact of a space. It holds the card from the time of embedding, which is the only
        one of an imported space, and saves asking a library.

    Raises
    ------
    UnknownEncoder
        As `get`, where `meta` holds no card.
    """
    meta = meta or {}
    if isinstance(meta.get("card"), Mapping):
        known = Card(**{k: v for k, v in meta["card"].items() if k in Card.__annotations__})
    else:
        argument = name.partition(":")[2]
        module: Any = modules().get(name) or get(name)[0]
        of_argument = argument and hasattr(module, "card")
        known = module.card(argument) if of_argument else getattr(module, "CARD", Card())
    dimensions = meta.get("dimensions")
    return known if dimensions is None else replace(known, dimensions=dimensions)


def independent(name: str, *, device: str) -> bool:
    """Return whether a clip's embedding has the same bytes whatever clips are embedded beside it."""
    return device in getattr(get(name)[0], "INDEPENDENT", ())


def load(name: str, *, modality: Modality, device: str | None = None) -> Any:
    """Load an encoder's model.

    Parameters
    ----------
    name : str
        As for `get`.
    modality : {"audio", "text"}
        What it is to embed.
    device : str, optional
        By default ``"cuda"`` if available, else ``"cpu"``.

    Returns
    -------
    AudioModel or TextModel

    Raises
    ------
    UnknownEncoder, EncoderUnavailable
        With one sentence about what is missing.
    """
    module, argument = get(name, modality=modality)
    reason = module.available()
    if reason is not None:
        raise EncoderUnavailable(reason)
    return module.load(argument, modality=modality, device=device or default_device())


def default_device() -> str:
    """Return ``"cuda"`` if torch has a GPU, else ``"cpu"``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def imports(name: str) -> Sequence[str]:
    """Return the heavy modules that `name` will need, for a child to import while it waits."""
    return tuple(getattr(get(name)[0], "IMPORTS", ()))


def warm_up(name: str) -> list[str]:
    """Import the heavy modules of `name` and return those that exist. It takes seconds: not for pages."""
    done = []
    for module in imports(name):
        try:
            importlib.import_module(module)
        except ImportError:  # `available` tells the user; a warm-up only saves time
            continue
        done.append(module)
    return done
