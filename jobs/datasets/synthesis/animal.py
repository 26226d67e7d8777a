"""Animals: voices made by a vibrating source through a throat, and insects that rub or beat."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Animal")


@sound("Bark", "A dog barks several times, short and rough.")
def bark(take: Take) -> np.ndarray:
    times = b.regular(take, take.near(0.5, 0.5), 0.35)
    loud = b.hits(take, times, 0.012, take.near(0.055, 0.4), take.rng.uniform(0.6, 1, len(times)))
    f0 = take.near(430, 0.7) * (0.75 + 0.5 * np.clip(loud, 0, 1))
    voice = b.tone(take, f0, b.rolloff(30, 0.8)) + take.between(0.25, 0.7) * b.white(take)
    size = take.near(1, 0.25)
    throat = b.peaks(take, [650 * size, 1400 * size, 2700 * size], [250, 350, 600], [1, 0.8, 0.3], 0.03)
    return b.shaped(take, voice * loud, throat)[0]


@sound("Meow", "A cat calls in a drawn-out tone that opens and closes again.")
def meow(take: Take) -> np.ndarray:
    length = take.near(0.85, 0.35)
    starts = b.regular(take, length + take.near(0.6, 0.5), 0.2, start=take.between(0.05, 0.3))
    x = b.progress(take, starts, length)
    arch = np.sin(np.pi * x**0.8)
    f0 = take.near(520, 0.35) * (0.8 + take.between(0.3, 0.7) * arch) * (1 + 0.01 * b.drift(take, 8))
    voice = b.tone(take, f0, b.rolloff(24, 0.9)) + 0.05 * b.white(take)
    size = take.near(1, 0.2)
    closed = b.peaks(take, [500 * size, 1300 * size], [250, 300], [1, 0.3], 0.02)
    opened = b.peaks(take, [1100 * size, 2300 * size, 3600], [300, 500, 700], [1, 0.8, 0.3], 0.02)
    dark, bright = b.shaped(take, voice, closed, opened)
    return (dark * (1 - arch) + bright * arch) * b.notes(take, starts, length, 0.08, 0.15)


@sound("Purr", "A contented cat rattles softly and low, in time with its breath.")
def purr(take: Take) -> np.ndarray:
    breath = 0.6 + 0.4 * np.sin(2 * np.pi * (take.t * take.near(0.7, 0.3) + take.rng.random()))
    rate = take.near(25, 0.3)
    times = b.regular(take, 1 / rate, 0.15, start=0.0)
    blows = b.hits(take, times, 0.002, 0.01, take.rng.uniform(0.5, 1, len(times)))
    body = take.near(1, 0.4)
    throat = b.peaks(take, [130 * body, 320 * body, 900 * body], [120, 200, 500], [1, 0.6, 0.2])
    return b.shaped(take, blows * b.white(take) * breath, throat)[0] + 0.02 * breath * b.noise(
        take, b.band(take, 500, 3000)
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
    voice = b.tone(take, f0, b.rolloff(14, take.between(1.4, 2.2))) + 0.03 * b.white(take)
    throat = b.peaks(take, [take.near(600, 0.2), 1300], [300, 400], [1, 0.25], 0.05)
    return b.shaped(take, voice, throat)[0] * b.notes(take, np.array([start]), length, 0.25, 0.4)


@sound("Caw", "A crow gives hoarse, harsh cries, one after another.")
def caw(take: Take) -> np.ndarray:
    starts = b.regular(take, take.near(0.62, 0.35), 0.25)
    length = take.near(0.24, 0.3)
    x = b.progress(take, starts, length)
    f0 = take.near(480, 0.3) * (1.1 - 0.25 * x) * (1 + 0.03 * b.drift(take, 90))
    rough = 1 + take.between(0.3, 0.9) * np.sin(np.pi * np.cumsum(f0) / take.sample_rate)
    voice = b.saturate(b.tone(take, f0, b.rolloff(25, 0.5)) * rough, 2.5) + 0.35 * b.white(take)
    beak = b.peaks(
        take, [take.near(1250, 0.25), take.near(2100, 0.2), 4000], [350, 600, 1500], [1, 0.7, 0.2], 0.02
    )
    return b.shaped(take, voice, beak)[0] * b.notes(take, starts, length, 0.03, 0.06)


@sound("Chirp", "A small bird sings quick, high, whistled notes.")
def chirp(take: Take) -> np.ndarray:
    phrase = take.count(2, 5)
    height, sweep, pace = take.near(3900, 0.4), take.between(-0.5, 0.5), take.near(0.13, 0.4)
    starts = b.regular(take, take.near(0.75, 0.4), 0.3)
    begin = (starts[:, None] + pace * np.arange(phrase)[None, :]).ravel()
    begin = np.sort(begin[begin < take.seconds - 0.03]) if len(begin) else starts
    pitch = height * 2 ** (0.25 * take.rng.standard_normal(len(begin)))
    x = b.progress(take, begin, 0.7 * pace)
    bend = 2 ** (sweep * (x - 0.5) + take.between(0, 0.25) * np.sin(np.pi * x))
    f0 = np.minimum(b.stepwise(take, begin, pitch) * bend, 0.4 * take.sample_rate)
    trill = 1 + 0.5 * take.between(0, 1) * np.sin(2 * np.pi * take.near(45, 0.4) * take.t)
    return b.tone(take, f0, [1, take.between(0.02, 0.2), 0.02]) * trill * np.sin(np.pi * x) ** 1.5


@sound("Cricket", "A cricket on a warm night gives steady, high, pulsing trills.")
def cricket(take: Take) -> np.ndarray:
    pulses, beat = take.count(3, 5), take.near(1 / 32, 0.25)
    starts = b.regular(take, take.near(0.38, 0.5), 0.08)
    times = (starts[:, None] + beat * np.arange(pulses)[None, :]).ravel()
    wings = b.hits(take, times[times < take.seconds - 0.01], 0.006, 0.008)
    carrier = take.near(4600, 0.2) * (1 + 0.004 * b.drift(take, 20))
    return b.tone(take, carrier, [1, 0.15, 0.05]) * wings + 0.004 * b.noise(take, b.band(take, 2000, 9000))


@sound("Frog", "A frog croaks again and again, a low rattling note.")
def frog(take: Take) -> np.ndarray:
    length = take.near(0.28, 0.35)
    starts = b.regular(take, length + take.near(0.4, 0.5), 0.2)
    rate = take.near(60, 0.4)
    pulses = b.impulses(take, b.regular(take, 1 / rate, 0.06, start=0.0))
    croak = pulses * b.notes(take, starts, length, 0.05, 0.05)
    size = take.near(1, 0.3)
    sac = b.peaks(take, [520 * size, 1250 * size, 2300 * size], [120, 200, 400], [1, 0.9, 0.3], 0.01)
    return b.shaped(take, croak, sac)[0]


@sound("Bee", "A bee buzzes around, nearer and then further away.")
def bee(take: Take) -> np.ndarray:
    near = np.exp(0.7 * b.drift(take, take.near(1.2, 0.5)))
    f0 = take.near(215, 0.35) * (1 + 0.05 * b.drift(take, 2.5) + 0.008 * b.drift(take, 30))
    wings = b.tone(take, f0, b.rolloff(30, take.between(0.5, 1.1)))
    body = b.peaks(take, [take.near(450, 0.3), take.near(1500, 0.3)], [400, 1200], [1, 0.4], 0.08)
    return b.shaped(take, wings * near + 0.08 * near * b.white(take), body)[0]


@sound("Yip", "A small dog or puppy yelps, sharp, short and high.")
def yip(take: Take) -> np.ndarray:
    times = b.regular(take, take.near(0.34, 0.5), 0.4)
    loud = b.hits(take, times, 0.008, take.near(0.035, 0.4), take.rng.uniform(0.5, 1, len(times)))
    f0 = take.near(850, 0.5) * (0.7 + 0.6 * np.clip(loud, 0, 1))
    voice = b.tone(take, f0, b.rolloff(16, 1.0)) + take.between(0.1, 0.4) * b.white(take)
    size = take.near(1.35, 0.25)
    throat = b.peaks(take, [750 * size, 1600 * size, 3000 * size], [300, 450, 700], [1, 0.8, 0.4], 0.03)
    return b.shaped(take, voice * loud, throat)[0]


@sound("Growling", "An angry dog growls, a long, low, rough threat from the throat.")
def growling(take: Take) -> np.ndarray:
    length = take.near(1.2, 0.35)
    starts = b.regular(take, length + take.near(0.35, 0.5), 0.08, start=b.early(take, 0.0, 0.2))
    f0 = take.near(75, 0.45) * (1 + 0.06 * b.drift(take, 4) + 0.04 * b.drift(take, 35))
    flutter = 1 + take.between(0.3, 0.8) * np.sin(2 * np.pi * take.near(24, 0.3) * take.t)
    voice = b.saturate(b.tone(take, f0, b.rolloff(40, 0.7)) * flutter, 2) + 0.25 * b.white(take)
    size = take.near(1, 0.25)
    throat = b.peaks(take, [330 * size, 850 * size, 1900 * size], [200, 350, 700], [1, 0.6, 0.2], 0.02)
    return b.shaped(take, voice, throat)[0] * b.notes(take, starts, length, 0.15, 0.2)


@sound("Hoot", "An owl hoots at night, a few soft, hollow, low notes.")
def hoot(take: Take) -> np.ndarray:
    calls = b.regular(take, take.near(1.7, 0.3), 0.15, start=b.early(take, 0.0, 0.3))
    pace = take.near(0.33, 0.25)
    starts = b.groups(take, calls, pace, take.count(2, 4))
    length = 0.6 * pace
    x = b.progress(take, starts, length)
    f0 = take.near(370, 0.35) * (0.92 + 0.08 * np.sin(np.pi * x)) * (1 + 0.004 * b.drift(take, 12))
    voice = b.tone(take, f0, [1, take.between(0.05, 0.25), 0.04, 0.02])
    air = b.noise(take, b.band(take, 250, 900, 1))
    return (voice + take.between(0.02, 0.1) * air) * b.notes(take, starts, length, 0.06, 0.1)


@sound("Moo", "A cow lows, one long deep note through the nose and then the open mouth.")
def moo(take: Take) -> np.ndarray:
    length = take.near(1.5, 0.25)
    starts = b.regular(take, length + take.near(0.6, 0.4), 0.08, start=b.early(take, 0.02, 0.3))
    x = b.progress(take, starts, length)
    opening = np.clip(x * take.between(2, 4), 0, 1)
    f0 = take.near(125, 0.35) * (0.8 + 0.35 * opening - 0.15 * x**3) * (1 + 0.012 * b.drift(take, 9))
    voice = b.tone(take, f0, b.rolloff(40, take.between(0.8, 1.2))) + 0.04 * b.white(take)
    size = take.near(0.8, 0.2)
    closed = b.peaks(take, [280 * size, 1000 * size], [90, 300], [1, 0.1], 0.005)
    opened = b.peaks(take, [520 * size, 950 * size, 2300 * size], [150, 200, 400], [1, 0.7, 0.15], 0.008)
    hum, call = b.shaped(take, voice, closed, opened)
    return (hum * (1 - opening) + call * opening) * b.notes(take, starts, length, 0.15, 0.25)


@sound("Bleat", "A sheep or goat bleats, a trembling nasal cry.")
def bleat(take: Take) -> np.ndarray:
    length = take.near(0.75, 0.3)
    starts = b.regular(take, length + take.near(0.5, 0.5), 0.08, start=b.early(take, 0.0, 0.3))
    x = b.progress(take, starts, length)
    shake = np.sin(2 * np.pi * take.near(8.5, 0.2) * take.t)
    f0 = take.near(320, 0.45) * (1.05 - 0.15 * x) * (1 + take.between(0.02, 0.06) * shake)
    tremble = 1 + take.between(0.4, 0.8) * shake
    voice = b.tone(take, f0, b.rolloff(30, 0.7)) * tremble + take.between(0.05, 0.2) * b.white(take)
    size = take.near(1, 0.2)
    throat = b.peaks(take, [720 * size, 1650 * size, 2700 * size], [200, 300, 500], [1, 0.8, 0.4], 0.02)
    return b.shaped(take, voice, throat)[0] * b.notes(take, starts, length, 0.05, 0.1)


@sound("Quack", "A duck quacks, short, nasal and harsh, again and again.")
def quack(take: Take) -> np.ndarray:
    starts = b.regular(take, take.near(0.36, 0.4), 0.25)
    length = take.near(0.15, 0.3)
    x = b.progress(take, starts, length)
    f0 = take.near(270, 0.35) * (1.15 - 0.3 * x) * (1 + 0.02 * b.drift(take, 60))
    voice = b.saturate(b.tone(take, f0, b.rolloff(40, 0.4)), 2) + take.between(0.05, 0.25) * b.white(take)
    bill = b.peaks(
        take,
        [take.near(1150, 0.2), take.near(2000, 0.2), take.near(3100, 0.2)],
        [220, 350, 500],
        [1, 0.9, 0.5],
        0.02,
    )
    return b.shaped(take, voice, bill)[0] * b.notes(take, starts, length, 0.015, 0.04)


@sound("Mosquito", "A mosquito whines by the ear, a thin, high, steady buzz of wings.")
def mosquito(take: Take) -> np.ndarray:
    near = np.exp(0.9 * b.drift(take, take.near(0.9, 0.5)))
    f0 = take.near(560, 0.3) * (1 + 0.04 * b.drift(take, 1.5) + 0.006 * b.drift(take, 40))
    wings = b.tone(take, f0, b.rolloff(18, take.between(0.4, 1.0)))
    body = b.peaks(take, [take.near(1300, 0.4), take.near(3200, 0.3)], [900, 1600], [1, 0.6], 0.1)
    return b.shaped(take, wings * near + 0.03 * near * b.white(take), body)[0]
