"""Sounds that many things can make: scraping, tearing, humming, rushing."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Source-ambiguous sounds")


@sound("Tearing", "Paper or cloth is torn apart.")
def tearing(take: Take) -> np.ndarray:
    length = take.near(0.55, 0.4)
    starts = take.regular(length + take.near(0.5, 0.4), 0.2)
    x = take.progress(starts, length)
    times = take.scattered(take.near(320, 0.4))
    fibres = take.hits(times, 0.0007, 0.0025, take.rng.gamma(0.8, 1, len(times))) + 0.1
    centers = take.near(1900, 0.3) * 2 ** (take.between(0.4, 1.2) * x)
    rip = take.moving(take.white() * fibres, centers, 1.8, steps=3)
    return rip * (0.4 + 0.6 * x) * take.notes(starts, length, 0.05, 0.05)


def _crackling(take: Take, rate: float, cluster: float, decay: float, resonances: list[float]) -> np.ndarray:
    """Clicks in clusters through a body's resonances."""
    mood = np.exp(cluster * take.drift(take.near(4, 0.4)))
    times = take.scattered(rate)
    gains = take.rng.gamma(0.6, 1, len(times)) * np.interp(times, take.t, mood)
    clicks = take.hits(times, 0.0006, decay, gains) * take.white()
    return take.shaped(
        clicks, take.peaks(resonances, [0.7 * r for r in resonances], [1] * len(resonances), 0.05)
    )[0]


@sound("Crumpling", "Something thin and crisp is crumpled, crackling brightly.")
def crumpling(take: Take) -> np.ndarray:
    foil = [take.near(2400, 0.3), take.near(4300, 0.3), take.near(7500, 0.2)]
    return _crackling(take, take.near(75, 0.4), 1.0, take.near(0.003, 0.3), foil)


@sound("Crushing", "Something brittle is crushed with dull crunches.")
def crushing(take: Take) -> np.ndarray:
    shell = [take.near(480, 0.35), take.near(1200, 0.3), take.near(2900, 0.3)]
    crunch = _crackling(take, take.near(60, 0.4), 1.5, take.near(0.008, 0.3), shell)
    times = take.regular(take.near(0.5, 0.5), 0.5)
    weight = take.hits(times, 0.02, take.near(0.09, 0.3)) * take.noise(take.band(80, 900, 1))
    return b.unit(crunch) + take.between(0.04, 0.15) * weight


@sound("Screech", "A shrill, piercing screech of one hard thing against another.")
def screech(take: Take) -> np.ndarray:
    length = take.near(0.9, 0.4)
    starts = take.regular(length + take.near(0.4, 0.5), 0.2, start=take.between(0.0, 0.3))
    x = take.progress(starts, length)
    f0 = take.near(1750, 0.4) * 2 ** (take.between(-0.5, 0.3) * x + 0.03 * take.drift(25))
    rubbed = take.fm(f0, take.between(0.45, 1.05), take.between(0.5, 2.0) * (1 + 0.4 * take.drift(9)))
    grit = take.between(0.1, 0.5) * take.noise(take.band(1500, 8000, 1)) * (1 + 0.5 * take.drift(60))
    return (rubbed + grit) * take.notes(starts, length, 0.03, 0.12)


@sound("Beep", "A short electronic tone repeats evenly.")
def beep(take: Take) -> np.ndarray:
    length = take.near(0.14, 0.5)
    starts = take.regular(length + take.near(0.25, 0.7), 0.01)
    partials = [1, take.between(0, 0.15), take.between(0, 0.35), 0, take.between(0, 0.15)]
    return take.tone(take.near(1150, 0.5), partials) * take.notes(starts, length, 0.004, 0.006)


@sound("Hum", "An electric hum goes on at a low, constant pitch.")
def hum(take: Take) -> np.ndarray:
    mains = float(take.rng.choice([50, 60])) * take.near(1, 0.04)
    weights = take.rng.gamma(1, 1, 14) * b.rolloff(14, take.between(0.5, 1.4)) + [0, 0.6, *[0] * 12]
    core = take.tone(mains * (1 + 0.0008 * take.drift(1)), weights)
    return core * (1 + 0.04 * take.drift(2)) + take.between(0.01, 0.08) * take.noise(take.band(100, 4000, 1))


@sound("Rumble", "A very low rumble, felt more than heard.")
def rumble(take: Take) -> np.ndarray:
    body = take.noise(take.band(take.near(28, 0.3), take.near(95, 0.5), 1.5))
    rattle = take.noise(take.band(150, take.near(500, 0.5), 1.5))
    return (body + take.between(0.02, 0.2) * rattle) * np.exp(0.35 * take.drift(take.near(4, 0.5)))


@sound("Whoosh", "Something rushes past through the air.")
def whoosh(take: Take) -> np.ndarray:
    length = take.near(0.7, 0.4)
    starts = take.regular(length + take.near(0.4, 0.6), 0.2)
    x = take.progress(starts, length)
    arch = np.sin(np.pi * x ** take.between(0.8, 1.4))
    air = take.moving(take.white(), take.near(480, 0.4) * 2 ** (take.between(1, 2.2) * arch), 1.2)
    return air * arch**2


@sound("Creak", "An old hinge or floorboard creaks slowly.")
def creak(take: Take) -> np.ndarray:
    length = take.near(0.9, 0.35)
    starts = take.regular(length + take.near(0.3, 0.5), 0.2, start=take.between(0.0, 0.2))
    x = take.progress(starts, length)
    rate = take.near(45, 0.5) * 2 ** (take.between(-1, 1.5) * np.sin(np.pi * x) + 0.25 * take.drift(8))
    turns = np.floor(np.cumsum(rate) / take.sample_rate)
    slips = np.diff(turns, prepend=0) > 0  # the wood sticks, then slips
    pulses = slips * take.rng.uniform(0.5, 1, take.n) * take.notes(starts, length, 0.08, 0.08)
    wood = take.peaks(
        [take.near(620, 0.35), take.near(1350, 0.3), take.near(2500, 0.3)],
        [90, 140, 300],
        [0.8, 1, 0.5],
        0.01,
    )
    return take.shaped(pulses, wood)[0]


@sound("Ding", "A small bell or glass is tapped once, a clear high ring.")
def ding(take: Take) -> np.ndarray:
    times = take.regular(take.near(1.1, 0.5), 0.2, start=take.early(0.02, 0.3))
    pitch, decay = take.near(1900, 0.5), take.near(0.45, 0.4)
    ratios = np.array([1, 2.4, 4.1, 5.8])
    weights = [1, take.between(0.1, 0.6), take.between(0.05, 0.3), 0.1]
    tap = take.hits(times, 0.0005, 0.003) * take.white()
    return b.unit(take.ring(times, 1.0, pitch * ratios, decay / ratios**0.7, weights)) + 0.04 * tap


@sound("Clang", "Heavy metal strikes metal, a loud, harsh, ringing blow.")
def clang(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.8, 0.5), 0.3)
    gains = take.rng.uniform(0.5, 1, len(times))
    modes = take.near(1, 0.3) * np.exp(take.rng.uniform(np.log(600), np.log(8500), 14))
    decays = take.near(0.8, 0.4) * (1000 / modes) ** 0.5
    plate = take.ring(times, gains, modes, decays, take.rng.uniform(0.3, 1, 14))
    blow = take.hits(times, 0.0006, take.near(0.02, 0.4), gains) * take.noise(take.band(700, 9000, 1))
    return b.unit(plate) + take.between(0.05, 0.25) * blow


@sound("Squeal", "Brakes or rubber squeal, a long, high, thin tone.")
def squeal(take: Take) -> np.ndarray:
    length = take.near(1.3, 0.4)
    starts = take.regular(length + take.near(0.4, 0.5), 0.08, start=take.early(0.0, 0.3))
    x = take.progress(starts, length)
    f0 = take.near(2500, 0.35) * 2 ** (take.between(-0.25, 0.25) * x + 0.015 * take.drift(12))
    rubber = take.tone(f0, [1, take.between(0.1, 0.5), take.between(0.05, 0.3), 0.1])
    flutter = 1 + take.between(0.1, 0.5) * take.drift(40)
    grit = take.noise(take.band(1500, 9000, 1))
    return (rubber * flutter + take.between(0.03, 0.2) * grit) * take.notes(starts, length, 0.06, 0.15)


@sound("Whir", "Something spins fast, a fan or small motor that whirs up and runs down.")
def whir(take: Take) -> np.ndarray:
    length = take.between(0.6, 0.9) * take.seconds
    start = take.between(0.0, 0.15) * take.seconds
    x = np.clip((take.t - start) / length, 0, 1)
    speed = 0.35 + 0.65 * np.clip(np.minimum(x / 0.25, (1 - x) / 0.35), 0, 1) ** 0.6
    f0 = take.near(330, 0.5) * speed * (1 + 0.006 * take.drift(6))
    blades = take.tone(f0, b.rolloff(16, take.between(0.9, 1.5)))
    beat = 1 + take.between(0.2, 0.7) * np.sin(2 * np.pi * np.cumsum(f0) / take.sample_rate / 8)
    air = take.noise(take.band(take.near(500, 0.4), take.near(4500, 0.4), 1))
    return (
        (blades * beat + take.between(0.15, 0.6) * air * beat)
        * speed**2
        * take.notes(np.array([start]), length, 0.15, 0.2)
    )


@sound("Knock", "Knuckles knock on wood, a few short, dull raps.")
def knock(take: Take) -> np.ndarray:
    calls = take.regular(take.near(1.3, 0.3), 0.2, start=take.early(0.05, 0.3))
    pace = take.near(0.19, 0.3)
    times = take.groups(calls, pace, take.count(2, 4))
    gains = take.rng.uniform(0.6, 1, len(times))
    panel = take.near(190, 0.4) * np.array([1, 2.3, 4.4, 8.2])
    wood = take.ring(times, gains, panel, [0.035, 0.02, 0.012, 0.006], [1, 0.8, 0.5, 0.3])
    knuckle = take.hits(times, 0.0007, 0.006, gains) * take.noise(take.band(400, 4000, 1))
    return b.unit(wood) + take.between(0.1, 0.35) * knuckle


@sound("Scratch", "Something rough scratches a surface, stroke after rasping stroke.")
def scratch(take: Take) -> np.ndarray:
    period = take.near(0.3, 0.4)
    starts = take.regular(period, 0.3)
    length = take.between(0.45, 0.75) * period
    x = take.progress(starts, length)
    grains = take.scattered(take.near(450, 0.4))
    grain = take.hits(grains, 0.0005, 0.002, take.rng.gamma(0.8, 1, len(grains)))
    rasp = take.white() * (grain + take.between(0.1, 0.5))
    surface = take.peaks([take.near(2600, 0.35), take.near(5200, 0.3)], [2200, 3500], [1, 0.7], 0.12)
    return take.shaped(rasp, surface)[0] * np.sin(np.pi * x) ** 0.7


@sound("Sizzle", "Fat sizzles in a hot pan, a fine, spitting, crackling hiss.")
def sizzle(take: Take) -> np.ndarray:
    times = take.scattered(take.near(420, 0.4))
    pops = take.impulses(times, take.rng.pareto(2.5, len(times)) + 0.1, flip=True)
    fat = take.peaks([take.near(4500, 0.3), take.near(8500, 0.2)], [3000, 4500], [1, 0.7], 0.08)
    spit = b.level(take.shaped(pops, fat)[0])
    hiss = take.noise(take.band(take.near(3000, 0.3), 11000, 1.5))
    return (take.between(0.4, 1.0) * spit + hiss) * np.exp(0.25 * take.drift(take.near(2, 0.4)))
