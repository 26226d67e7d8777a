"""How zero-shot models are trained."""

from __future__ import annotations

from dataclasses import dataclass

from core.recipes import Descent, check, like, setting


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a zero-shot model is trained; the defaults are the paper's where it states them.

    `patience` is None or a number of epochs: a model stops after so many epochs without a better validation
    accuracy, and the weights of its best epoch count; otherwise those of the last one.
    """

    learning_rate: float = like(Descent, "learning_rate")
    batch_size: int = like(Descent, "batch_size")
    epochs: int = like(Descent, "epochs")
    margin: float = setting(
        1.0,
        "Margin",
        "By how much a cosine of the right class is to lead in the WARP loss.",
        source="The paper does not say.",
        low=0,
        asked=(0.0, 100.0),
        words="margin {margin:g}",
        step=0.1,
    )
    sampled: bool = setting(
        False,
        "Ranks of the WARP loss",
        "Estimate ranks by drawing classes, as first published, instead of counting over all of them.",
        names=("exact", "sampled"),
        words="sampled ranks",
        silent=False,
        link="ranks",
    )
    standardise: bool = setting(
        False,
        "Standardise the sounds",
        "Bring each dimension of the sounds to mean 0 and deviation 1 over the training clips.",
        source="The paper does not say; spaces with small or unequal dimensions learn little without it.",
        names=("no", "yes"),
        words="standardised sounds",
        silent=False,
    )
    patience: int | None = setting(
        None,
        "Patience",
        "Epochs without a better validation accuracy after which a model stops; 0 never stops.",
        low=1,
        asked=(0, 10_000),
        words="patience {patience}",
        silent=0,
    )
    momentum: float = like(Descent, "momentum", source="The paper names none.")
    hidden: int = setting(
        256,
        "Hidden width",
        "Dimensions of the layer between the sounds and the shared space.",
        low=1,
        asked=(1, 10_000),
        words="widths {hidden:,} and {shared:,}",
    )
    shared: int = setting(
        512,
        "Shared width",
        "Dimensions of the space in which sounds and texts are compared.",
        low=1,
        asked=(1, 10_000),
    )

    def __post_init__(self) -> None:
        check(self)
