"""Audio models of the mteb package: ``mteb:google/vggish``, ``mteb:microsoft/msclap-2023`` and many more.

mteb wraps models of sound behind one interface and fetches their weights. One vector a clip; how long clips
are cut is mteb's choice for each model. Clips go in one at a time, since some of its models pad a batch to
one length, and none shorter than a second. A model that reads text too is also a text encoder by the same
name.

Code that comes with weights is not run: where a model needs that, loading it ends with a sentence. What
mteb's own loaders do is mteb's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.encoders import Card, EncoderUnavailable

if TYPE_CHECKING:
    import numpy as np

NAME = "mteb"
VERSION = 1
MODALITIES = frozenset({"audio", "text"})
INDEPENDENT = frozenset({"cpu", "cuda"})
TAKES_ARGUMENT = True
DESCRIPTION = (
    "A model that the mteb package wraps: VGGish, YAMNet, CLAP 2022 and 2023, Wav2CLIP, ImageBind, ..."
)
REFERENCE = "Muennighoff et al., MTEB, EACL 2023; licence as mteb states it for each model."
IMPORTS = ("torch", "mteb")

#: Hz, for models that do not state their rate; mteb then resamples.
_RATE = 48_000


def available() -> str | None:
    """Return None if mteb is installed, else how to get it."""
    if importlib.util.find_spec("mteb") is None:
        return "mteb models need the mteb package: pip install 'hearspace[mteb]'"
    return None


def card(argument: str) -> Card:
    """Return mteb's facts about a model; an empty card if mteb is not installed or does not know it."""
    if available() is not None:
        return Card()
    try:
        meta = _meta(argument, "audio")
    except EncoderUnavailable:
        return Card()
    d = meta.embed_dim
    return Card(
        modality=" & ".join("language" if m == "text" else str(m) for m in sorted(meta.modalities)),
        parameters=meta.n_parameters,
        dimensions=d if isinstance(d, int) else None,
    )


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Load a model of mteb; `EncoderUnavailable` says why that fails."""
    import mteb

    from jobs.encoders._hub import first_sentence, offline_reason

    assert argument is not None, "the registry asks for one"
    meta = _meta(argument, modality)
    offline = offline_reason()
    try:
        with _safely(argument, offline is not None):
            model = mteb.get_model(argument, device=device)
            wrapped: Any = (_Audio if modality == "audio" else _Text)(model, meta, argument)
    except EncoderUnavailable:
        raise
    except Exception as error:  # a hundred models, each with libraries of its own
        network = "" if offline is None else f" Nothing can be fetched now: {offline}."
        raise EncoderUnavailable(
            f"mteb cannot load {argument!r}: {first_sentence(error)}{network}"
        ) from error
    return wrapped


def _meta(argument: str, modality: str) -> Any:
    """Return mteb's facts about a model that it can load, without asking the hub."""
    import mteb

    kind = "text" if modality == "text" else "audio"
    try:
        meta = mteb.get_model_meta(argument, fetch_from_hf=False)
    except KeyError as error:
        near = str(error.args[0]).partition("Did you mean: ")[2].replace("'", "").rstrip("?")
        raise EncoderUnavailable(
            f"mteb has no model {argument!r}{f'; it has {near}' if near else ''}. "
            "`mteb.get_model_metas(modalities=['audio'])` lists those that it has."
        ) from None
    if kind not in meta.modalities:
        raise EncoderUnavailable(
            f"mteb's model {argument!r} embeds {', '.join(meta.modalities)}, not {kind}."
        )
    return meta


@contextmanager
def _safely(argument: str, offline: bool) -> Iterator[None]:
    """Keep transformers from importing code that lies beside weights, which some of mteb's loaders allow.

    Without a network, look only at what is on this machine, and not half a minute for the hub.
    """
    from huggingface_hub import constants
    from transformers import dynamic_module_utils

    from jobs.encoders._hub import foreign_code

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise foreign_code(argument)

    before = constants.HF_HUB_OFFLINE, dynamic_module_utils.get_class_in_module
    constants.HF_HUB_OFFLINE = before[0] or offline
    dynamic_module_utils.get_class_in_module = refuse
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, dynamic_module_utils.get_class_in_module = before


class _Inputs:
    """The input of mteb's models: rows behind a data loader, whose dataset names the columns."""

    def __init__(self, rows: list[dict[str, Any]], kind: str) -> None:
        self._rows = rows
        self.features = {kind: None}
        self.column_names = [kind]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return dict(self._rows[i])  # mteb writes into it


class _Model:
    def __init__(self, model: Any, meta: Any, argument: str) -> None:
        import mteb

        self._model = model
        self._argument = argument
        self._meta = meta
        # Models that choose prompts by the task look at this; those for sound have none.
        self._task = mteb.get_tasks(modalities=[self._kind])[0].metadata

    _kind = "audio"

    def _encode(self, rows: list[dict[str, Any]], batch: int) -> np.ndarray:
        import numpy as np
        import torch
        from torch.utils.data import DataLoader

        from jobs.encoders._frames import exact

        data: Any = _Inputs(rows, self._kind)
        inputs: Any = DataLoader(
            data,
            batch_size=batch,
            collate_fn=lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
        )
        with torch.no_grad(), exact(torch):
            vectors = self._model.encode(
                inputs,
                task_metadata=self._task,
                hf_split="test",
                hf_subset="default",
                prompt_type=None,
                batch_size=batch,
                show_progress_bar=False,
            )
        if isinstance(vectors, torch.Tensor):
            vectors = vectors.float().cpu().numpy()
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(rows):
            raise EncoderUnavailable(
                f"mteb's model {self._argument!r} gives an array of shape {vectors.shape} for {len(rows)} "
                "inputs; a model must give each one vector."
            )
        return vectors


class _Audio(_Model):
    frame_level = False

    def __init__(self, model: Any, meta: Any, argument: str) -> None:
        import numpy as np

        super().__init__(model, meta, argument)
        rate = getattr(model, "sampling_rate", None)
        self.sample_rate = int(rate) if isinstance(rate, int | float) and rate > 0 else _RATE
        self.min_samples = self.sample_rate  # a second: several models fail on less
        # A quiet tone shows what the model gives, before any clip is decoded; silence has no direction.
        t = np.arange(self.sample_rate) / self.sample_rate
        self.dimensions = self.embed([(0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)])[0].shape[1]

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        from jobs.encoders._frames import pad

        if not waveforms:
            return []
        rows = [
            {"audio": {"array": pad(x, self.min_samples), "sampling_rate": self.sample_rate}}
            for x in waveforms
        ]
        return list(self._encode(rows, 1)[:, None, :])  # (1, d) each


class _Text(_Model):
    _kind = "text"

    def __init__(self, model: Any, meta: Any, argument: str) -> None:
        super().__init__(model, meta, argument)
        self.dimensions = self._encode([{"text": "sound"}], 1).shape[1]

    def embed(self, texts: list[str]) -> np.ndarray:
        import numpy as np

        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        return self._encode([{"text": text} for text in texts], 1)
