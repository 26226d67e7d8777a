"""Nature: water, wind, fire and thunder, made of noise and of many small events."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Natural sounds")


def _bubbles(take: Take, rate: float, pitch: float, width: float, decay: float) -> np.ndarray:
    """Many bubbles of air in water: short sines, some of which rise."""
    y = np.zeros(take.n)
    for start in take.scattered(min(rate, 400 / take.seconds)):
        a = min(int(start * take.sample_rate), take.n - 2)
        f = min(pitch * 2 ** (width * take.rng.standard_normal()), 0.4 * take.sample_rate)
        tau = decay * (1000 / f) ** 0.5 * take.rng.uniform(0.5, 1.5)
        t = np.arange(min(take.n - a, take.samples(6 * tau))) / take.sample_rate
        rise = 1 + take.rng.uniform(0, 0.4) * t / tau / 6
        grain = np.sin(2 * np.pi * f * t * rise) * np.exp(-t / tau) * np.clip(t / 0.0015, 0, 1)
        y[a : a + len(t)] += grain * np.clip((t[-1] - t) / 0.001, 0, 1) * take.rng.gamma(1.2, 1)
    return y


@sound("Rain", "Rain falls steadily, a bright even hiss of many drops.")
def rain(take: Take) -> np.ndarray:
    bed = take.noise(take.band(take.near(900, 0.5), take.near(9000, 0.3), 1))
    times = take.scattered(take.near(260, 0.6))
    drops = take.impulses(times, take.rng.gamma(0.7, 1, len(times)), flip=True)
    leaf = take.peaks([take.near(2200, 0.4), take.near(5000, 0.3)], [1500, 3000], [1, 0.7], 0.1)
    return (bed + take.between(0.5, 1.6) * b.level(take.shaped(drops, leaf)[0])) * (1 + 0.1 * take.drift(1))


@sound("Raindrop", "Single drops of water drip and splash now and then.")
def raindrop(take: Take) -> np.ndarray:
    drops = _bubbles(take, take.near(5, 0.5), take.near(1300, 0.5), 0.35, 0.012)
    times = take.scattered(take.near(6, 0.5))
    surface = take.peaks([take.near(700, 0.6), take.near(2600, 0.4)], [300, 900], [1, 0.7], 0.05)
    taps = take.shaped(take.impulses(times, take.rng.gamma(1.5, 1, len(times))), surface)[0]
    return b.unit(drops) + take.between(0.3, 1.0) * b.unit(taps) + 0.004 * take.noise(take.band(1000, 7000))


@sound("Stream", "A small brook bubbles and babbles over stones.")
def stream(take: Take) -> np.ndarray:
    water = _bubbles(take, take.near(75, 0.4), take.near(900, 0.4), 0.6, 0.014)
    flow = take.noise(take.band(take.near(400, 0.4), take.near(3500, 0.4), 1))
    return b.level(water) + take.between(0.3, 0.9) * flow * (1 + 0.2 * take.drift(3))


@sound("Waves", "Sea waves swell, break on the shore and draw back.")
def waves(take: Take) -> np.ndarray:
    phase = take.t * take.near(0.28, 0.4) + take.rng.random()
    swell = (0.5 - 0.5 * np.cos(2 * np.pi * phase)) ** take.between(1, 2.5)
    deep = take.noise(take.band(60, take.near(500, 0.4), 1))
    foam = take.noise(take.band(take.near(700, 0.4), take.near(6000, 0.3), 1))
    return deep * (0.25 + 0.5 * swell) + foam * (0.06 + swell**2) * (1 + 0.1 * take.drift(12))


@sound("Wind", "Wind blows in gusts and moans.")
def wind(take: Take) -> np.ndarray:
    gust = 0.8 * take.drift(take.near(0.9, 0.4))
    centers = np.clip(take.near(420, 0.6) * 2 ** (0.8 * gust), 80, 4000)
    air = take.moving(take.white(), centers, take.between(0.4, 1.3))
    low = take.noise(take.band(30, 250, 2))
    return (b.level(air) + take.between(0.1, 0.6) * low) * np.exp(0.7 * gust)


@sound("Thunder", "Thunder cracks and rolls away in a deep rumble.")
def thunder(take: Take) -> np.ndarray:
    start = take.between(0.02, 0.2) * take.seconds
    claps = np.sort(start + take.rng.exponential(0.25, take.count(3, 7)) * min(take.seconds, 3) / 2)
    claps = claps[claps < take.seconds - 0.05] if (claps < take.seconds - 0.05).any() else np.array([start])
    loud = take.hits(claps, 0.02, take.near(0.5, 0.4), take.rng.uniform(0.3, 1, len(claps)))
    roll = take.noise(take.band(25, take.near(140, 0.5), 1.5)) * (1 + 0.4 * take.drift(9))
    crack = take.noise(take.slope(take.between(0.5, 1.1)), take.band(100, 6000, 1))
    first = take.hits(claps[:1], 0.004, take.near(0.12, 0.6))
    return roll * (loud + 0.05) + take.between(0.1, 0.9) * crack * first


@sound("Fire", "A wood fire crackles and pops over a soft roar.")
def fire(take: Take) -> np.ndarray:
    times = take.scattered(take.near(26, 0.6))
    sparks = take.impulses(times, take.rng.pareto(1.8, len(times)) + 0.1, flip=True)
    wood = take.peaks([take.near(1600, 0.5), take.near(4500, 0.4)], [1200, 3000], [1, 0.8], 0.15)
    crackle = take.shaped(sparks, wood)[0]
    roar = take.noise(take.band(40, take.near(320, 0.5), 1)) * (1 + 0.3 * take.drift(6))
    hiss = take.noise(take.band(2500, 9000, 1)) * np.exp(0.5 * take.drift(3))
    return b.unit(crackle) + take.between(0.03, 0.12) * roar + take.between(0.005, 0.03) * hiss


@sound("Waterfall", "A waterfall roars without a pause.")
def waterfall(take: Take) -> np.ndarray:
    fall = take.noise(take.slope(take.between(0.1, 0.6)), take.band(take.near(180, 0.5), 9000, 1))
    splash = take.noise(take.band(take.near(1500, 0.4), take.near(5000, 0.3), 1))
    return fall + 0.4 * splash * (1 + 0.15 * take.drift(10))


@sound("Rustling leaves", "Dry leaves rustle in a breeze.")
def leaves(take: Take) -> np.ndarray:
    breeze = np.exp(0.9 * take.drift(take.near(1.6, 0.4)))
    times = take.scattered(take.near(110, 0.4))
    brushes = take.hits(times, 0.004, 0.012, take.rng.gamma(0.8, 1, len(times)))
    foliage = take.noise(take.band(take.near(2600, 0.35), take.near(8500, 0.25), 1.5))
    return foliage * (brushes + 0.08) * breeze


@sound("Rain on surface", "Rain drums on a tin roof, countless hard little taps.")
def rain_on_surface(take: Take) -> np.ndarray:
    times = take.scattered(take.near(120, 0.6))
    drops = take.impulses(times, take.rng.gamma(0.8, 1, len(times)), flip=True)
    roof = take.near(900, 0.5)
    sheet = take.peaks([roof, 2.3 * roof, 5.1 * roof], [350, 900, 2500], [1, 0.7, 0.4], 0.05)
    taps = b.level(take.shaped(drops, sheet)[0])
    bed = take.noise(take.band(take.near(600, 0.4), take.near(5500, 0.3), 1))
    return taps + take.between(0.15, 0.7) * bed * (1 + 0.1 * take.drift(1))


@sound("Thunderstorm", "A storm: thunder rolls over heavy rain and gusts of wind.")
def thunderstorm(take: Take) -> np.ndarray:
    downpour = rain(take)
    start = take.between(0.02, 0.35) * take.seconds
    claps = np.minimum(start + np.cumsum(take.rng.exponential(0.35, take.count(2, 5))), take.seconds - 0.05)
    loud = take.hits(claps, 0.03, take.near(0.6, 0.4), take.rng.uniform(0.3, 1, len(claps)))
    roll = take.noise(take.band(25, take.near(150, 0.5), 1.5)) * (1 + 0.4 * take.drift(9))
    gusts = take.noise(take.band(80, 500, 1)) * np.exp(0.7 * take.drift(0.9))
    return take.between(0.25, 0.8) * b.level(downpour) + b.level(roll * loud) + take.between(0, 0.3) * gusts


@sound("Ocean", "The open sea roars far off, deep and wide, rising and sinking slowly.")
def ocean(take: Take) -> np.ndarray:
    roar = take.noise(take.slope(take.between(0.5, 1.0)), take.band(50, take.near(2500, 0.4), 1))
    foam = take.noise(take.band(take.near(500, 0.4), take.near(4000, 0.3), 1))
    swell = np.zeros(take.n)
    for _ in range(2):  # one wave comes in while another draws back
        phase = take.t * take.near(0.17, 0.4) + take.rng.random()
        swell += (0.5 - 0.5 * np.cos(2 * np.pi * phase)) ** 2
    return roar * (0.7 + 0.4 * swell) + take.between(0.1, 0.4) * foam * swell


@sound("Gurgling", "Water gurgles down a drain, low bubbling gulps.")
def gurgling(take: Take) -> np.ndarray:
    gulps = np.exp(1.1 * take.drift(take.near(3, 0.4)))
    water = _bubbles(take, take.near(42, 0.4), take.near(430, 0.4), 0.45, 0.03) * gulps
    pipe = take.peaks([take.near(350, 0.3), take.near(900, 0.3)], [250, 600], [1, 0.6], 0.15)
    flow = take.noise(take.band(200, take.near(1500, 0.4), 1)) * gulps
    return b.level(take.shaped(water, pipe)[0]) + take.between(0.05, 0.3) * flow


@sound("Steam", "Steam escapes from a valve with a sharp, high hiss.")
def steam(take: Take) -> np.ndarray:
    pressure = np.exp(0.25 * take.drift(take.near(2, 0.5)))
    if take.rng.random() < 0.4:  # a valve that opens now and then
        pressure = pressure * (0.05 + take.notes(take.regular(take.near(0.9, 0.4), 0.2), 0.5, 0.05, 0.2))
    jet = take.noise(take.band(take.near(2800, 0.4), take.near(11000, 0.2), 1.5))
    pipe = take.noise(take.peaks([take.near(1800, 0.4), take.near(5200, 0.3)], [800, 1800], [1, 0.7]))
    return (jet + take.between(0.1, 0.5) * pipe) * pressure * (1 + 0.05 * take.drift(30))


@sound("Howl (wind)", "Wind howls and whistles through a gap, a hollow wandering tone.")
def wind_howl(take: Take) -> np.ndarray:
    gust = take.drift(take.near(0.9, 0.4))
    centers = np.clip(take.near(560, 0.4) * 2 ** (0.45 * gust), 120, 4000)
    gap = take.moving(take.white(), centers, take.between(0.04, 0.2), steps=9)  # it blows through a gap
    low = take.noise(take.band(40, take.near(300, 0.4), 1.5))
    return (b.level(gap) + take.between(0.1, 0.5) * low) * np.exp(0.6 * gust)


@sound("Wildfire", "A forest burns: a great fire roars and crackles everywhere.")
def wildfire(take: Take) -> np.ndarray:
    times = take.scattered(take.near(140, 0.5))
    sparks = take.impulses(times, take.rng.pareto(2.2, len(times)) + 0.1, flip=True)
    wood = take.peaks([take.near(1300, 0.5), take.near(3800, 0.4)], [1200, 3000], [1, 0.7], 0.15)
    crackle = b.level(take.shaped(sparks, wood)[0])
    gusts = np.exp(0.45 * take.drift(take.near(1.5, 0.4)))
    roar = take.noise(take.slope(take.between(0.4, 0.8)), take.band(40, take.near(1500, 0.5), 1))
    return take.between(0.25, 0.8) * crackle + roar * gusts
