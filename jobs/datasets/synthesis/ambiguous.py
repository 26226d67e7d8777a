"""Sounds that many things can make: scraping, tearing, humming, rushing."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import SoundClass, Take

FAMILY = "Source-ambiguous sounds"


def tearing(take: Take) -> np.ndarray:
    length = take.near(0.55, 0.4)
    starts = b.regular(take, length + take.near(0.5, 0.4), 0.2)
    x = np.clip((take.t - b.stepwise(take, starts, starts)) / length, 0, 1)
    times = b.scattered(take, take.near(320, 0.4))
    fibres = b.hits(take, times, 0.0007, 0.0025, take.rng.gamma(0.8, 1, len(times))) + 0.1
    centers = take.near(1900, 0.3) * 2 ** (take.between(0.4, 1.2) * x)
    rip = b.moving(take, b.white(take) * fibres, centers, 1.8, steps=3)
    return rip * (0.4 + 0.6 * x) * b.notes(take, starts, length, 0.05, 0.05)


def _crackling(take: Take, rate: float, cluster: float, decay: float, resonances: list[float]) -> np.ndarray:
    """Clicks in clusters through a body's resonances."""
    mood = np.exp(cluster * b.drift(take, take.near(4, 0.4)))
    times = b.scattered(take, rate)
    gains = take.rng.gamma(0.6, 1, len(times)) * np.interp(times, take.t, mood)
    clicks = b.hits(take, times, 0.0006, decay, gains) * b.white(take)
    return b.shaped(
        take, clicks, b.peaks(take, resonances, [0.7 * r for r in resonances], [1] * len(resonances), 0.05)
    )[0]


def crumpling(take: Take) -> np.ndarray:
    foil = [take.near(2400, 0.3), take.near(4300, 0.3), take.near(7500, 0.2)]
    return _crackling(take, take.near(75, 0.4), 1.0, take.near(0.003, 0.3), foil)


def crushing(take: Take) -> np.ndarray:
    shell = [take.near(480, 0.35), take.near(1200, 0.3), take.near(2900, 0.3)]
    crunch = _crackling(take, take.near(60, 0.4), 1.5, take.near(0.008, 0.3), shell)
    times = b.regular(take, take.near(0.5, 0.5), 0.5)
    weight = b.hits(take, times, 0.02, take.near(0.09, 0.3)) * b.noise(take, b.band(take, 80, 900, 1))
    return b.unit(crunch) + take.between(0.04, 0.15) * weight


def screech(take: Take) -> np.ndarray:
    length = take.near(0.9, 0.4)
    starts = b.regular(take, length + take.near(0.4, 0.5), 0.2, start=take.between(0.0, 0.3))
    x = np.clip((take.t - b.stepwise(take, starts, starts)) / length, 0, 1)
    f0 = take.near(1750, 0.4) * 2 ** (take.between(-0.5, 0.3) * x + 0.03 * b.drift(take, 25))
    rubbed = b.fm(take, f0, take.between(0.45, 1.05), take.between(0.5, 2.0) * (1 + 0.4 * b.drift(take, 9)))
    grit = take.between(0.1, 0.5) * b.noise(take, b.band(take, 1500, 8000, 1)) * (1 + 0.5 * b.drift(take, 60))
    return (rubbed + grit) * b.notes(take, starts, length, 0.03, 0.12)


def beep(take: Take) -> np.ndarray:
    length = take.near(0.14, 0.5)
    starts = b.regular(take, length + take.near(0.25, 0.7), 0.01)
    partials = [1, take.between(0, 0.15), take.between(0, 0.35), 0, take.between(0, 0.15)]
    return b.tone(take, take.near(1150, 0.5), partials) * b.notes(take, starts, length, 0.004, 0.006)


def hum(take: Take) -> np.ndarray:
    mains = float(take.rng.choice([50, 60])) * take.near(1, 0.04)
    weights = take.rng.gamma(1, 1, 14) * b.rolloff(14, take.between(0.5, 1.4)) + [0, 0.6, *[0] * 12]
    core = b.tone(take, mains * (1 + 0.0008 * b.drift(take, 1)), weights)
    return core * (1 + 0.04 * b.drift(take, 2)) + take.between(0.01, 0.08) * b.noise(
        take, b.band(take, 100, 4000, 1)
    )


def rumble(take: Take) -> np.ndarray:
    body = b.noise(take, b.band(take, take.near(28, 0.3), take.near(95, 0.5), 1.5))
    rattle = b.noise(take, b.band(take, 150, take.near(500, 0.5), 1.5))
    return (body + take.between(0.02, 0.2) * rattle) * np.exp(0.35 * b.drift(take, take.near(4, 0.5)))


def whoosh(take: Take) -> np.ndarray:
    length = take.near(0.7, 0.4)
    starts = b.regular(take, length + take.near(0.4, 0.6), 0.2)
    x = np.clip((take.t - b.stepwise(take, starts, starts)) / length, 0, 1)
    arch = np.sin(np.pi * x ** take.between(0.8, 1.4))
    air = b.moving(take, b.white(take), take.near(480, 0.4) * 2 ** (take.between(1, 2.2) * arch), 1.2)
    return air * arch**2


def creak(take: Take) -> np.ndarray:
    length = take.near(0.9, 0.35)
    starts = b.regular(take, length + take.near(0.3, 0.5), 0.2, start=take.between(0.0, 0.2))
    x = np.clip((take.t - b.stepwise(take, starts, starts)) / length, 0, 1)
    rate = take.near(45, 0.5) * 2 ** (take.between(-1, 1.5) * np.sin(np.pi * x) + 0.25 * b.drift(take, 8))
    turns = np.floor(np.cumsum(rate) / take.sample_rate)
    slips = np.diff(turns, prepend=0) > 0  # the wood sticks, then slips
    pulses = slips * take.rng.uniform(0.5, 1, take.n) * b.notes(take, starts, length, 0.08, 0.08)
    wood = b.peaks(
        take,
        [take.near(620, 0.35), take.near(1350, 0.3), take.near(2500, 0.3)],
        [90, 140, 300],
        [0.8, 1, 0.5],
        0.01,
    )
    return b.shaped(take, pulses, wood)[0]


CLASSES = (
    SoundClass("Tearing", FAMILY, "Paper or cloth is torn apart.", tearing),
    SoundClass("Crumpling", FAMILY, "Something thin and crisp is crumpled, crackling brightly.", crumpling),
    SoundClass("Crushing", FAMILY, "Something brittle is crushed with dull crunches.", crushing),
    SoundClass("Screech", FAMILY, "A shrill, piercing screech of one hard thing against another.", screech),
    SoundClass("Beep", FAMILY, "A short electronic tone repeats evenly.", beep),
    SoundClass("Hum", FAMILY, "An electric hum goes on at a low, constant pitch.", hum),
    SoundClass("Rumble", FAMILY, "A very low rumble, felt more than heard.", rumble),
    SoundClass("Whoosh", FAMILY, "Something rushes past through the air.", whoosh),
    SoundClass("Creak", FAMILY, "An old hinge or floorboard creaks slowly.", creak),
)
