"""Classes as pairs of sounds and texts: how often one is found from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.runners.agreement import class_rows
from jobs.specs import ClassAnalogies

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


def class_analogies(spec: ClassAnalogies, context: JobContext) -> None:
    """Compute `ClassAnalogies`.

    Raises
    ------
    ValueError
        With one sentence: labels have changed, sounds and texts are not in one space, or they have fewer than
        three classes in common.
    """
    from core.similarity import analogy_accuracy, match_accuracy
    from jobs.importing.pairs import given_of

    context.progress(0, 1, "classes")
    ids, X = class_rows(spec.sounds, spec.labels, context)
    others, Y = class_rows(spec.texts, spec.labels, context)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"{spec.sounds.encoder} embeds sounds in {X.shape[1]} dimensions and {spec.texts.encoder} texts "
            f"in {Y.shape[1]}; they must be the two towers of one model, such as CLAP."
        )
    where = {id: row for row, id in enumerate(others)}
    mine = [row for row, id in enumerate(ids) if id in where]
    n = len(mine)
    if n < 3:
        raise ValueError(f"Sounds and texts have {n} classes in common; analogies need three or more.")
    X, Y = X[mine], Y[[where[ids[row]] for row in mine]]
    given = given_of(n)
    context.progress(0.2, 1, "analogies")
    with context.writer() as w:
        w.table("classes", {"id": [ids[row] for row in mine]})
        w.meta.update(
            n=n,
            match=match_accuracy(X, Y),
            match_chance=1 / n,
            analogy_pair=analogy_accuracy(X, Y, given=given),
            analogy_mean=analogy_accuracy(X, Y, offset="mean"),
            analogy_released=analogy_accuracy(X, Y, offset="released", given=given),
            analogy_chance=1 / (n - 1),
            offsets=n if given is None else len(given),
        )
    context.progress(1, 1)
