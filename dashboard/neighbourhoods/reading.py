"""How to read the figures of Neighbourhoods, with their papers."""

from __future__ import annotations

from dashboard.neighbourhoods.figures import p_text

_PITFALLS = "[Tavares, Ayres, Wang & Smaragdis 2025](https://arxiv.org/abs/2408.13068)"
_NNGS = "[Tavares, Ayres & Smaragdis 2024](https://arxiv.org/abs/2411.08687)"
_CKA = "[Kornblith et al. 2019](https://arxiv.org/abs/1905.00414)"
_DEBIASED = "[Murphy, Zylberberg & Fyshe 2024](https://arxiv.org/abs/2405.01012)"


def curves(measure: str, of: str, permutations: int, *, with_self: bool = False) -> str:
    """Return how to read a curve over k, with or without the point itself."""
    one = "clip" if of == "clips" else "class"
    near = "its k nearest in one space, itself the first of them, the share that are among the k of the other"
    if not with_self:
        near = "its k nearest in one space, the share that are also among its k nearest in the other"
    chance = "(1 + (k − 1)² / (n − 1)) / k" if with_self else "k / (n − 1)"
    what = {
        "overlap": f"At each k: of a {one} and {near}, averaged over all ({_PITFALLS}). 1 is full agreement. "
        f"It rises towards 1 by itself as k nears n, so compare it with the dotted chance line, {chance}.",
        "jaccard": f"At each k: the {one}s near in both spaces over those near in either, averaged over all "
        f"(the NNGS of {_NNGS}). 1 is full agreement; the dotted line is what unrelated spaces give.",
        "adjusted": "The overlap with chance taken out, (S<sub>k</sub> − chance) / (1 − chance): 0 where the "
        "spaces are unrelated, 1 where they agree, at every k alike "
        f"(after Hubert & Arabie 1985; the overlap is of {_PITFALLS})."
        + " With the point itself as the first of k, what stands at k is what k − 1 others give."
        * with_self,
    }[measure]
    if permutations and measure != "jaccard":
        what += (
            f" The faint band holds 95% of {permutations:,} shuffled pairings, point by point; p is the "
            "share of them that agree as much, at this k alone."
        )
    elif measure == "jaccard":
        what += " Bands and p are made for the overlap."
    if with_self:
        return (
            what + " The largest values given below are without the point itself, so no ring is drawn here."
        )
    return what + (" Rings: the largest value in the range of k given below." if measure != "jaccard" else "")


def summary(literal: bool, permutations: int) -> str:
    """Return how to read the numbers of a curve."""
    text = (
        f"The paper sums a curve up by its maximum, S ({_PITFALLS}, section 3.2 and Table 3). Here points do "
        "not count as their own neighbours, and S is looked for up to a fifth of n, since near n everything "
        "is everyone’s neighbour. Where the largest value is at the end of the range, the curve still "
        "rises at that point: then S depends on the range as much as on the spaces, so report both."
    )
    if literal:
        text += (
            " **Literal definition:** the maximum over every k from 1, counting the point itself. It is "
            "degenerate, 1 for any two spaces: at k = 1 each neighbourhood is the point itself."
        )
    if permutations:
        text += (
            f" p is for the chosen k alone, from {permutations:,} shuffled pairings: the smallest they can "
            f"give is {p_text(1 / (permutations + 1), permutations)} (Phipson & Smyth 2010), and p has "
            "the digits that so many support."
        )
    return text


def matrix(of: str, low: float) -> str:
    """Return how to read the two matrices, whose colours begin at `low`."""
    begin = f"{low:.2f}".replace("-", "−") if low <= -0.005 else "0"
    rows = "clips" if of == "clips" else "classes"
    return (
        f"Both have the same order and the same colours, from {begin} to 1; click a square, or choose below, "
        f"to listen to what two spaces disagree on. CKA compares all pairwise similarities at once ({_CKA}): "
        "spaces can differ in small neighbourhoods and still be alike by it, which is what the overlap at "
        f"small k shows ({_NNGS}). The biased form rises to 1 as dimensions outnumber the {rows}, "
        f"whatever the spaces hold ({_DEBIASED})."
    )


def lists(of: str, k: int) -> str:
    """Return how to read the lists of disagreement."""
    one, sound = "clip", ""
    if of == "classes":
        one, sound = "class", " The clip that is played is the one nearest to its class’s mean."
    return (
        f"In both: how many of a {one}’s {k} nearest are the same in the two spaces; ties go by the mean "
        f"over all sizes kept. S<sub>k</sub> without the point itself is the mean of this ({_PITFALLS}): "
        f"listen to the two ends of the list to hear where it comes from.{sound} Click a name to see "
        "its neighbours below."
    )


def near(of: str, k: int, kept: int) -> str:
    """Return how to read the two lists side by side."""
    one, rest = "class", ""
    if of == "clips":
        one, rest = "clip", f" Of every clip the {kept} nearest are kept; what is further away is “beyond”."
    return (
        "Nearest first by cosine distance, 0 to 2, in all dimensions of either space; where the page is "
        f"narrow, the distance itself is left out and only the rank is shown. The rank is a {one}’s "
        f"place among the nearest in the other space, with ✓ where it is one of the {k} nearest in "
        f"both.{rest}"
    )


#: How to read the table of classes.
TABLE = (
    "The nearest classes in either space, nearest first; **bold** where both have it among them. Distances "
    "are between the means of the classes’ clips, or between the texts: whether classes that sound alike are "
    f"also called alike is what the paper asks of E<sub>a</sub> and E<sub>t</sub> ({_PITFALLS}, Table 3)."
)


def by_class(k: int) -> str:
    """Return how to read the figure of classes."""
    return (
        f"Mean overlap of each class's clips at k = {k}, with 95% intervals over clips; the dotted line is "
        "the mean over all clips, which is S<sub>k</sub> without the point itself. Classes at the top are "
        "those that the two models place most differently."
    )
