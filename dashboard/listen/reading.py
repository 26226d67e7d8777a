"""How to read what Listen shows, with its references."""

from __future__ import annotations

from core.listening import Strengths

_PAPER = "[Araz, Bogdanov, Alonso-Jiménez & Font 2024](https://github.com/raraz15/semantic-sound-similarity)"
_LUCE = "Luce 1959; [Bradley & Terry 1952](https://doi.org/10.2307/2334029)"


def lists(judged: bool, outside: bool) -> str:
    """Explain how the lists are made and judged."""
    left_out = "" if outside else " The query is left out."
    text = (
        "Hear what a system returns and not only how it scores: up to four side by side, after the web "
        f"interface of {_PAPER}, section III-C. A score is the cosine, −1 to 1 (MCSS), the inner product "
        f"(MIPS) or the distance (NNS); scores of different systems have no common scale.{left_out} "
        "“also B 3”: the same clip is at rank 3 of list B. **Arrow keys** move, and go on playing "
        "where something plays; **space** plays and pauses."
    )
    if judged and outside:
        text += (
            " ✓ marks what is labelled with the class asked for. **AP@15** sums the precision at each marked "
            "rank up to 15 and divides by the smaller of 15 and the number of clips of the class."
        )
    elif judged:
        text += (
            " ✓ marks what is labelled with the class asked for. **AP@15** sums the precision at each marked "
            "rank up to 15 and divides by the smaller of 15 and the number of clips of the class, the query "
            "counted, as the paper’s released code does: a small class cannot quite reach 1. Labels are not "
            "the last word on what sounds alike; the blind test asks listeners."
        )
    return text + f" {_LOUDNESS}"


_LOUDNESS = (
    "Clips are played at equal loudness, −23 LUFS (ITU-R BS.1770) as far as their peaks allow without "
    "clipping, since a louder sound is easily taken for the better one."
)

#: What a blind test does, and why.
BLIND = (
    "Columns are shuffled for every question and listener. One question in ten is an earlier one "
    "again, which shows who answers by chance; choosing none is an answer too. Choices and marks are kept in "
    "the workspace at once, with your alias and nothing else about you. Choices are counted by Luce’s "
    f"choice axiom ({_LUCE}); Results explains how."
)

#: How to answer.
QUESTION = (
    "**Arrow keys** move between results, **space** plays and pauses, **F** marks that a result fits the "
    "query and **N** that it does not; the same key again takes it back. Marks are optional. “also B 3”: "
    "the same clip is at rank 3 of list B. Choose a list, or none of them, to see whose they are."
)

#: What the numbers above the results are.
FACTS = (
    "Look here first. Listeners who answer differently when the same question comes again, or prefer the "
    "untrained control, perceived no difference; choosing one column throughout gives the chance level. "
    "α compares listeners on the questions they share: 1 is full agreement, 0 what chance gives "
    "(Krippendorff 2018). Brackets: 95% intervals."
)
#: How to read the win rates.
WINS = (
    "Of the questions that showed a system, the share in which it was chosen, with Wilson’s interval "
    "(1927); a question without a choice counts against everybody. The grey mark is what blind guessing "
    "gives. Win rates depend on who else was shown; strengths do not."
)
#: How to read the agreement with a score.
AGAINST = (
    "Whether listeners order the systems as the labels do, which decides whether the score may stand in for "
    f"listeners; {_PAPER} checked so by listening themselves. With few systems this says little: four ranked "
    "alike have p = 1/12 in either coefficient, counted over all orders."
)


def strengths(s: Strengths) -> str:
    """Explain how the strengths are estimated, and what they can say."""
    text = (
        "How often a system would be chosen if all were shown and one had to be chosen, by Luce’s choice "
        f"axiom ({_LUCE}), from {s.n_chosen:,} answers with a choice. Log strengths have a weak normal prior "
        "of mean 0 and standard deviation 2. "
    )
    text += (
        "Intervals are percentiles over draws of whole listeners."
        if s.draws is not None
        else "Intervals are Laplace’s approximation, which takes every answer for independent; with ten "
        "listeners or more, whole listeners are drawn instead."
    )
    if len(s.groups) > 1:
        return text + (
            " **Some systems were never compared, directly or over others: only the prior compares them.**"
        )
    if not s.settled:
        return text + (
            " **Some systems have always won or always lost: how far apart they are follows from the prior.**"
        )
    return text
