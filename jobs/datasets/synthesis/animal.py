"""Animals: voices made by a vibrating source through a throat, and insects that rub or beat."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Animal")


@sound("Bark", "A dog barks several times, short and rough.")
def bark(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.5, 0.5), 0.35)
    loud = take.hits(times, 0.012, take.near(0.055, 0.4), take.rng.uniform(0.6, 1, len(times)))
    f0 = take.near(430, 0.7) * (0.75 + 0.5 * np.clip(loud, 0, 1))
    voice = take.tone(f0, b.rolloff(30, 0.8)) + take.between(0.25, 0.7) * take.white()
    size = take.near(1, 0.25)
    throat = take.peaks([650 * size, 1400 * size, 2700 * size], [250, 350, 600], [1, 0.8, 0.3], 0.03)
    return take.shaped(voice * loud, throat)[0]


@sound("Meow", "A cat calls in a drawn-out tone that opens and closes again.")
def meow(take: Take) -> np.ndarray:
    length = take.near(0.85, 0.35)
    starts = take.regular(length + take.near(0.6, 0.5), 0.2, start=take.between(0.05, 0.3))
    x = take.progress(starts, length)
    arch = np.sin(np.pi * x**0.8)
    f0 = take.near(520, 0.35) * (0.8 + take.between(0.3, 0.7) * arch) * (1 + 0.01 * take.drift(8))
    voice = take.tone(f0, b.rolloff(24, 0.9)) + 0.05 * take.white()
    size = take.near(1, 0.2)
    closed = take.peaks([500 * size, 1300 * size], [250, 300], [1, 0.3], 0.02)
    opened = take.peaks([1100 * size, 2300 * size, 3600], [300, 500, 700], [1, 0.8, 0.3], 0.02)
    dark, bright = take.shaped(voice, closed, opened)
    return (dark * (1 - arch) + bright * arch) * take.notes(starts, length, 0.08, 0.15)


@sound("Purr", "A contented cat rattles softly and low, in time with its breath.")
def purr(take: Take) -> np.ndarray:
    breath = 0.6 + 0.4 * np.sin(2 * np.pi * (take.t * take.near(0.7, 0.3) + take.rng.random()))
    rate = take.near(25, 0.3)
    times = take.regular(1 / rate, 0.15, start=0.0)
    blows = take.hits(times, 0.002, 0.01, take.rng.uniform(0.5, 1, len(times)))
    body = take.near(1, 0.4)
    throat = take.peaks([130 * body, 320 * body, 900 * body], [120, 200, 500], [1, 0.6, 0.2])
    return take.shaped(blows * take.white() * breath, throat)[0] + 0.02 * breath * take.noise(
        take.band(500, 3000)
    )


@sound("Howl", "A dog or wolf sings one long note that climbs and then sinks.")
def howl(take: Take) -> np.ndarray:
    start, length = take.between(0.02, 0.25) * take.seconds, take.between(0.6, 0.72) * take.seconds
    x = np.clip((take.t - start) / length, 0, 1)
    rise = np.clip(x / take.between(0.15, 0.35), 0, 1)
    f0 = (
        take.near(420, 0.4)
        * (0.62 + 0.38 * np.sin(0.5 * np.pi * rise))
        * (1 - 0.3 * np.clip((x - 0.75) * 4, 0, 1))
    )
    f0 = f0 * (1 + take.between(0.004, 0.02) * np.sin(2 * np.pi * take.near(5, 0.2) * take.t))
    voice = take.tone(f0, b.rolloff(14, take.between(1.4, 2.2))) + 0.03 * take.white()
    throat = take.peaks([take.near(600, 0.2), 1300], [300, 400], [1, 0.25], 0.05)
    return take.shaped(voice, throat)[0] * take.notes(np.array([start]), length, 0.25, 0.4)


@sound("Caw", "A crow gives hoarse, harsh cries, one after another.")
def caw(take: Take) -> np.ndarray:
    starts = take.regular(take.near(0.62, 0.35), 0.25)
    length = take.near(0.24, 0.3)
    x = take.progress(starts, length)
    f0 = take.near(480, 0.3) * (1.1 - 0.25 * x) * (1 + 0.03 * take.drift(90))
    rough = 1 + take.between(0.3, 0.9) * np.sin(np.pi * np.cumsum(f0) / take.sample_rate)
    voice = b.saturate(take.tone(f0, b.rolloff(25, 0.5)) * rough, 2.5) + 0.35 * take.white()
    beak = take.peaks(
        [take.near(1250, 0.25), take.near(2100, 0.2), 4000], [350, 600, 1500], [1, 0.7, 0.2], 0.02
    )
    return take.shaped(voice, beak)[0] * take.notes(starts, length, 0.03, 0.06)


@sound("Chirp", "A small bird sings quick, high, whistled notes.")
def chirp(take: Take) -> np.ndarray:
    phrase = take.count(2, 5)
    height, sweep, pace = take.near(3900, 0.4), take.between(-0.5, 0.5), take.near(0.13, 0.4)
    starts = take.regular(take.near(0.75, 0.4), 0.3)
    begin = (starts[:, None] + pace * np.arange(phrase)[None, :]).ravel()
    begin = np.sort(begin[begin < take.seconds - 0.03]) if len(begin) else starts
    pitch = height * 2 ** (0.25 * take.rng.standard_normal(len(begin)))
    x = take.progress(begin, 0.7 * pace)
    bend = 2 ** (sweep * (x - 0.5) + take.between(0, 0.25) * np.sin(np.pi * x))
    f0 = np.minimum(take.stepwise(begin, pitch) * bend, 0.4 * take.sample_rate)
    trill = 1 + 0.5 * take.between(0, 1) * np.sin(2 * np.pi * take.near(45, 0.4) * take.t)
    return take.tone(f0, [1, take.between(0.02, 0.2), 0.02]) * trill * np.sin(np.pi * x) ** 1.5


@sound("Cricket", "A cricket on a warm night gives steady, high, pulsing trills.")
def cricket(take: Take) -> np.ndarray:
    pulses, beat = take.count(3, 5), take.near(1 / 32, 0.25)
    starts = take.regular(take.near(0.38, 0.5), 0.08)
    times = (starts[:, None] + beat * np.arange(pulses)[None, :]).ravel()
    wings = take.hits(times[times < take.seconds - 0.01], 0.006, 0.008)
    carrier = take.near(4600, 0.2) * (1 + 0.004 * take.drift(20))
    return take.tone(carrier, [1, 0.15, 0.05]) * wings + 0.004 * take.noise(take.band(2000, 9000))


@sound("Frog", "A frog croaks again and again, a low rattling note.")
def frog(take: Take) -> np.ndarray:
    length = take.near(0.28, 0.35)
    starts = take.regular(length + take.near(0.4, 0.5), 0.2)
    rate = take.near(60, 0.4)
    pulses = take.impulses(take.regular(1 / rate, 0.06, start=0.0))
    croak = pulses * take.notes(starts, length, 0.05, 0.05)
    size = take.near(1, 0.3)
    sac = take.peaks([520 * size, 1250 * size, 2300 * size], [120, 200, 400], [1, 0.9, 0.3], 0.01)
    return take.shaped(croak, sac)[0]


@sound("Bee", "A bee buzzes around, nearer and then further away.")
def bee(take: Take) -> np.ndarray:
    near = np.exp(0.7 * take.drift(take.near(1.2, 0.5)))
    f0 = take.near(215, 0.35) * (1 + 0.05 * take.drift(2.5) + 0.008 * take.drift(30))
    wings = take.tone(f0, b.rolloff(30, take.between(0.5, 1.1)))
    body = take.peaks([take.near(450, 0.3), take.near(1500, 0.3)], [400, 1200], [1, 0.4], 0.08)
    return take.shaped(wings * near + 0.08 * near * take.white(), body)[0]


@sound("Yip", "A small dog or puppy yelps, sharp, short and high.")
def yip(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.34, 0.5), 0.4)
    loud = take.hits(times, 0.008, take.near(0.035, 0.4), take.rng.uniform(0.5, 1, len(times)))
    f0 = take.near(850, 0.5) * (0.7 + 0.6 * np.clip(loud, 0, 1))
    voice = take.tone(f0, b.rolloff(16, 1.0)) + take.between(0.1, 0.4) * take.white()
    size = take.near(1.35, 0.25)
    throat = take.peaks([750 * size, 1600 * size, 3000 * size], [300, 450, 700], [1, 0.8, 0.4], 0.03)
    return take.shaped(voice * loud, throat)[0]


@sound("Growling", "An angry dog growls, a long, low, rough threat from the throat.")
def growling(take: Take) -> np.ndarray:
    length = take.near(1.2, 0.35)
    starts = take.regular(length + take.near(0.35, 0.5), 0.08, start=take.early(0.0, 0.2))
    f0 = take.near(75, 0.45) * (1 + 0.06 * take.drift(4) + 0.04 * take.drift(35))
    flutter = 1 + take.between(0.3, 0.8) * np.sin(2 * np.pi * take.near(24, 0.3) * take.t)
    voice = b.saturate(take.tone(f0, b.rolloff(40, 0.7)) * flutter, 2) + 0.25 * take.white()
    size = take.near(1, 0.25)
    throat = take.peaks([330 * size, 850 * size, 1900 * size], [200, 350, 700], [1, 0.6, 0.2], 0.02)
    return take.shaped(voice, throat)[0] * take.notes(starts, length, 0.15, 0.2)


@sound("Hoot", "An owl hoots at night, a few soft, hollow, low notes.")
def hoot(take: Take) -> np.ndarray:
    calls = take.regular(take.near(1.7, 0.3), 0.15, start=take.early(0.0, 0.3))
    pace = take.near(0.33, 0.25)
    starts = take.groups(calls, pace, take.count(2, 4))
    length = 0.6 * pace
    x = take.progress(starts, length)
    f0 = take.near(370, 0.35) * (0.92 + 0.08 * np.sin(np.pi * x)) * (1 + 0.004 * take.drift(12))
    voice = take.tone(f0, [1, take.between(0.05, 0.25), 0.04, 0.02])
    air = take.noise(take.band(250, 900, 1))
    return (voice + take.between(0.02, 0.1) * air) * take.notes(starts, length, 0.06, 0.1)


@sound("Moo", "A cow lows, one long deep note through the nose and then the open mouth.")
def moo(take: Take) -> np.ndarray:
    length = take.near(1.5, 0.25)
    starts = take.regular(length + take.near(0.6, 0.4), 0.08, start=take.early(0.02, 0.3))
    x = take.progress(starts, length)
    opening = np.clip(x * take.between(2, 4), 0, 1)
    f0 = take.near(125, 0.35) * (0.8 + 0.35 * opening - 0.15 * x**3) * (1 + 0.012 * take.drift(9))
    voice = take.tone(f0, b.rolloff(40, take.between(0.8, 1.2))) + 0.04 * take.white()
    size = take.near(0.8, 0.2)
    closed = take.peaks([280 * size, 1000 * size], [90, 300], [1, 0.1], 0.005)
    opened = take.peaks([520 * size, 950 * size, 2300 * size], [150, 200, 400], [1, 0.7, 0.15], 0.008)
    hum, call = take.shaped(voice, closed, opened)
    return (hum * (1 - opening) + call * opening) * take.notes(starts, length, 0.15, 0.25)


@sound("Bleat", "A sheep or goat bleats, a trembling nasal cry.")
def bleat(take: Take) -> np.ndarray:
    length = take.near(0.75, 0.3)
    starts = take.regular(length + take.near(0.5, 0.5), 0.08, start=take.early(0.0, 0.3))
    x = take.progress(starts, length)
    shake = np.sin(2 * np.pi * take.near(8.5, 0.2) * take.t)
    f0 = take.near(320, 0.45) * (1.05 - 0.15 * x) * (1 + take.between(0.02, 0.06) * shake)
    tremble = 1 + take.between(0.4, 0.8) * shake
    voice = take.tone(f0, b.rolloff(30, 0.7)) * tremble + take.between(0.05, 0.2) * take.white()
    size = take.near(1, 0.2)
    throat = take.peaks([720 * size, 1650 * size, 2700 * size], [200, 300, 500], [1, 0.8, 0.4], 0.02)
    return take.shaped(voice, throat)[0] * take.notes(starts, length, 0.05, 0.1)


@sound("Quack", "A duck quacks, short, nasal and harsh, again and again.")
def quack(take: Take) -> np.ndarray:
    starts = take.regular(take.near(0.36, 0.4), 0.25)
    length = take.near(0.15, 0.3)
    x = take.progress(starts, length)
    f0 = take.near(270, 0.35) * (1.15 - 0.3 * x) * (1 + 0.02 * take.drift(60))
    voice = b.saturate(take.tone(f0, b.rolloff(40, 0.4)), 2) + take.between(0.05, 0.25) * take.white()
    bill = take.peaks(
        [take.near(1150, 0.2), take.near(2000, 0.2), take.near(3100, 0.2)],
        [220, 350, 500],
        [1, 0.9, 0.5],
        0.02,
    )
    return take.shaped(voice, bill)[0] * take.notes(starts, length, 0.015, 0.04)


@sound("Mosquito", "A mosquito whines by the ear, a thin, high, steady buzz of wings.")
def mosquito(take: Take) -> np.ndarray:
    near = np.exp(0.9 * take.drift(take.near(0.9, 0.5)))
    f0 = take.near(560, 0.3) * (1 + 0.04 * take.drift(1.5) + 0.006 * take.drift(40))
    wings = take.tone(f0, b.rolloff(18, take.between(0.4, 1.0)))
    body = take.peaks([take.near(1300, 0.4), take.near(3200, 0.3)], [900, 1600], [1, 0.6], 0.1)
    return take.shaped(wings * near + 0.03 * near * take.white(), body)[0]
