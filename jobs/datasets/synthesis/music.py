"""Music: strings, pipes, reeds and things to strike, each playing a few notes."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Music")
SCALE = np.array([0, 2, 3, 5, 7, 8, 10, 12, 14, 15])


def _tune(take: Take, base: float, period: float, *, jitter: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """Times and pitches of a few notes in one key, each a small step from the one before."""
    starts = take.regular(period, jitter, start=take.between(0.02, 0.12))
    steps = np.cumsum(take.rng.integers(-2, 3, len(starts))) + take.count(2, 6)
    return starts, base * 2.0 ** (SCALE[np.abs(steps) % len(SCALE)] / 12)


def _plucked(
    take: Take,
    starts: np.ndarray,
    pitches: np.ndarray,
    bright: np.ndarray,
    dark: np.ndarray,
    decay: float,
    damp: float,
) -> np.ndarray:
    """Struck or plucked strings: a dark part that rings on, a bright one that dies in `damp` of its time."""
    y = np.zeros(take.n)
    for start, pitch in zip(starts, pitches, strict=True):
        a = min(int(start * take.sample_rate), take.n - 1)
        length = decay * (220 / pitch) ** 0.4
        note = Take(take.rng, take.sample_rate, min(take.n - a, take.samples(5 * length)), take.spread)
        edge = np.clip(note.t / 0.002, 0, 1)
        tail = np.clip((note.n / note.sample_rate - note.t) / 0.03, 0, 1)
        sound = note.tone(pitch, bright) * np.exp(-note.t / (damp * length))
        sound += note.tone(pitch * 1.0007, dark) * np.exp(-note.t / length)
        y[a : a + note.n] += sound * edge * tail * take.rng.uniform(0.6, 1)
    return y


def _bars(
    take: Take,
    starts: np.ndarray,
    pitches: np.ndarray,
    gains: np.ndarray,
    ratios: list[float],
    decays: list[float],
    upper: tuple[float, float, float],
) -> np.ndarray:
    """Struck bars of three modes: a second one between two weights and a third of a fixed weight."""
    bars = np.zeros(take.n)
    low, high, third = upper
    for pitch in np.unique(pitches)[:6]:
        mine = pitches == pitch
        weights = [1, take.between(low, high), third]
        bars += take.ring(starts[mine], gains[mine], np.array(ratios) * pitch, decays, weights)
    return bars


@sound("Piano", "A piano plays a few notes that ring out.")
def piano(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(196, 0.6), take.near(0.42, 0.5))
    if take.rng.random() < 0.5:  # a second hand
        starts, pitches = np.repeat(starts, 2), np.repeat(pitches, 2) * np.tile([1, 1.498], len(pitches))
    bright, dark = b.rolloff(20, take.between(0.7, 1.3)), b.rolloff(8, 1.8)
    strings = _plucked(take, starts, pitches, bright, dark, take.near(0.7, 0.3), 0.3)
    felt = take.hits(starts, 0.001, 0.012) * take.noise(take.band(150, 1500))
    return b.unit(strings) + 0.05 * felt


@sound("Organ", "An organ holds full, steady chords.")
def organ(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(175, 0.5), take.near(1.1, 0.4))
    drawbars = take.rng.uniform(0.1, 1, 8) * [1, 1, 0.6, 0.8, 0.3, 0.4, 0.2, 0.5]
    chord = np.zeros(take.n)
    for interval in (1.0, *take.rng.choice([1.189, 1.26, 1.498, 2.0], 2, replace=False)):
        chord += take.tone(take.stepwise(starts, pitches) * interval, drawbars)
    tremulant = 1 + take.between(0, 0.2) * np.sin(2 * np.pi * take.near(6, 0.1) * take.t)
    wind = 0.015 * take.noise(take.band(800, 6000))
    return (b.unit(chord) * tremulant + wind) * take.notes(starts, take.near(0.95, 0.3), 0.03, 0.08)


@sound("Acoustic guitar", "The strings of an acoustic guitar are plucked one by one.")
def guitar(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(165, 0.45), take.near(0.33, 0.5))
    pick = np.abs(np.sin(np.pi * np.arange(1, 26) * take.between(0.12, 0.3)))  # where the string is plucked
    bright, dark = b.rolloff(25, take.between(0.6, 1.1)) * pick, b.rolloff(8, 1.5) * pick[:8]
    strings = _plucked(take, starts, pitches, bright, dark, take.near(0.42, 0.35), 0.35)
    body = take.peaks([105, 210, take.near(420, 0.2)], [60, 80, 200], [0.6, 0.5, 0.3], 0.5)
    nail = 0.2 * take.hits(starts, 0.0007, 0.004) * take.white()
    return take.shaped(b.unit(strings) + 0.3 * nail, body)[0]


@sound("Violin", "A violin plays long bowed notes with vibrato.")
def violin(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(392, 0.4), take.near(0.75, 0.5))
    vibrato = 1 + take.between(0.003, 0.014) * np.sin(2 * np.pi * take.near(5.8, 0.15) * take.t)
    f0 = take.stepwise(starts, pitches) * vibrato * (1 + 0.0015 * take.drift(25))
    bow = 1 + 0.15 * take.drift(7)
    string = take.tone(f0, b.rolloff(30, take.between(0.8, 1.2))) * bow + 0.04 * take.white()
    body = take.peaks([290, 470, 1100, take.near(2600, 0.2)], [90, 130, 500, 900], [0.5, 0.8, 0.6, 0.7], 0.12)
    return take.shaped(string, body)[0] * take.notes(starts, take.near(0.65, 0.3), 0.07, 0.1)


@sound("Trumpet", "A trumpet plays a bright fanfare.")
def trumpet(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(330, 0.4), take.near(0.5, 0.5))
    length = take.near(0.36, 0.35)
    x = take.progress(starts, length)
    swell = np.clip(x * 6, 0, 1) * (1 - 0.3 * x)
    f0 = take.stepwise(starts, pitches) * (1 - 0.02 * np.exp(-x * 20) + 0.003 * take.drift(6))
    dark, bright = take.tone(f0, b.rolloff(10, 1.6)), take.tone(f0, b.rolloff(30, 0.35))
    blown = dark * (1 - 0.7 * swell) + bright * swell * take.between(0.5, 1)
    bell = take.peaks([take.near(1250, 0.15), take.near(2300, 0.2)], [700, 1200], [1, 0.6], 0.2)
    return take.shaped(blown, bell)[0] * take.notes(starts, length, 0.025, 0.05)


@sound("Flute", "A flute plays a soft, airy melody.")
def flute(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(560, 0.4), take.near(0.55, 0.5))
    shake = np.sin(2 * np.pi * take.near(5, 0.15) * take.t)
    f0 = take.stepwise(starts, pitches) * (1 + 0.003 * shake + 0.001 * take.drift(10))
    air = take.noise(take.peaks([pitches[0], 2 * pitches[0], 4000], [400, 800, 5000], [1, 0.5, 0.25]))
    column = take.tone(f0, [1, take.between(0.15, 0.5), take.between(0.03, 0.2), 0.05, 0.02])
    return (column * (1 + take.between(0.05, 0.25) * shake) + take.between(0.03, 0.14) * air) * take.notes(
        starts, take.near(0.46, 0.3), 0.06, 0.08
    )


@sound("Marimba", "Mallets strike the wooden bars of a marimba in quick notes.")
def marimba(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(262, 0.5), take.near(0.24, 0.5))
    gains, decay = take.rng.uniform(0.6, 1, len(starts)), take.near(0.16, 0.35)
    bars = _bars(
        take, starts, pitches, gains, [1, 3.95, 9.6], [decay, decay / 4, decay / 10], (0.1, 0.5, 0.1)
    )
    mallet = take.hits(starts, 0.001, 0.008, gains) * take.noise(take.band(200, 1200))
    return b.unit(bars) + 0.08 * mallet


@sound("Snare drum", "A snare drum is struck in a rhythm, sharp and rattling.")
def snare(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.3, 0.5), 0.08)
    gains = take.rng.choice([0.35, 0.7, 1.0], len(times))
    pitch = take.near(185, 0.3)
    skin = take.ring(times, gains, [pitch, 1.6 * pitch, 2.3 * pitch], [0.05, 0.03, 0.02], [1, 0.6, 0.3])
    wires = take.noise(take.band(take.near(1400, 0.4), 9500, 1.5))
    rattle = take.hits(times, 0.001, take.near(0.06, 0.4), gains) * wires
    return b.unit(skin) * take.between(0.3, 0.9) + 0.3 * rattle


@sound("Cymbal", "A cymbal is hit and its metallic wash slowly fades.")
def cymbal(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.9, 0.6), 0.1)
    gains = take.rng.uniform(0.5, 1, len(times))
    modes = take.near(1, 0.2) * np.exp(take.rng.uniform(np.log(700), np.log(11000), 24))
    metal = take.peaks(modes, 12 + 0.01 * modes, take.rng.uniform(0.2, 1, 24), 0.08)
    wash = take.noise(metal, take.band(take.near(2500, 0.4), 12000, 1))
    crash = take.hits(times, 0.002, take.near(0.45, 0.6), gains)
    stick = take.hits(times, 0.0008, 0.01, gains) * take.white()
    return wash * crash + 0.25 * stick


@sound("Cello", "A cello plays long, deep, warm bowed notes.")
def cello(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(116, 0.4), take.near(0.9, 0.5))
    vibrato = 1 + take.between(0.002, 0.011) * np.sin(2 * np.pi * take.near(5.2, 0.15) * take.t)
    f0 = take.glide(take.stepwise(starts, pitches), 0.03) * vibrato * (1 + 0.0015 * take.drift(20))
    bow = 1 + 0.15 * take.drift(6)
    string = take.tone(f0, b.rolloff(45, take.between(0.8, 1.2))) * bow + 0.04 * take.white()
    body = take.peaks([110, 220, 420, take.near(1400, 0.25)], [50, 80, 200, 800], [0.6, 0.9, 0.6, 0.4], 0.1)
    return take.shaped(string, body)[0] * take.notes(starts, take.near(0.8, 0.3), 0.09, 0.12)


@sound("Clarinet", "A clarinet plays a smooth, hollow, woody tune.")
def clarinet(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(262, 0.5), take.near(0.5, 0.5))
    odd = b.rolloff(18, take.between(0.7, 1.3))
    odd[1::2] *= take.between(0.03, 0.25)  # a pipe closed at one end has next to no even harmonics
    f0 = take.stepwise(starts, pitches) * (1 + 0.0015 * take.drift(8))
    reed = take.tone(f0, odd) + take.between(0.01, 0.05) * take.noise(take.band(1000, 6000, 1))
    bore = take.peaks([take.near(1500, 0.25)], [1800], [1], 0.4)
    return take.shaped(reed, bore)[0] * take.notes(starts, take.near(0.42, 0.3), 0.03, 0.05)


@sound("Trombone", "A trombone plays low brassy notes that slide into each other.")
def trombone(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(117, 0.4), take.near(0.7, 0.5))
    length = take.near(0.55, 0.35)
    x = take.progress(starts, length)
    swell = np.clip(x * 4, 0, 1) * (1 - 0.4 * x)
    f0 = take.glide(take.stepwise(starts, pitches), take.between(0.02, 0.2))  # the slide
    f0 = f0 * (1 + 0.003 * take.drift(6))
    dark, bright = take.tone(f0, b.rolloff(12, 1.6)), take.tone(f0, b.rolloff(40, 0.5))
    blown = dark * (1 - 0.7 * swell) + bright * swell * take.between(0.5, 1)
    bell = take.peaks([take.near(520, 0.2), take.near(1300, 0.2)], [500, 900], [1, 0.4], 0.15)
    return take.shaped(blown, bell)[0] * take.notes(starts, length, 0.04, 0.08)


@sound("Harpsichord", "A harpsichord plays fast, bright, jangling plucked notes.")
def harpsichord(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(233, 0.5), take.near(0.26, 0.5))
    bright, dark = b.rolloff(40, take.between(0.1, 0.5)), b.rolloff(20, take.between(0.6, 1.0))
    strings = _plucked(take, starts, pitches, bright, dark, take.near(0.3, 0.3), 0.5)
    quill = take.hits(starts, 0.0005, 0.004) * take.noise(take.band(2000, 9000))
    return b.unit(strings) + take.between(0.05, 0.2) * quill


@sound("Glockenspiel", "Small metal bars of a glockenspiel are struck, high notes that ring.")
def glockenspiel(take: Take) -> np.ndarray:
    starts, pitches = _tune(take, take.near(1250, 0.4), take.near(0.32, 0.5))
    gains, decay = take.rng.uniform(0.6, 1, len(starts)), take.near(0.55, 0.35)
    modes, decays = [1, 2.76, 5.4], [decay, decay / 3, decay / 8]
    bars = _bars(take, starts, pitches, gains, modes, decays, (0.2, 0.7, 0.2))
    mallet = take.hits(starts, 0.0005, 0.003, gains) * take.noise(take.band(2500, 9000))
    return b.unit(bars) + 0.06 * mallet


@sound("Bass drum", "A big bass drum is beaten, deep dull thuds in a slow rhythm.")
def bass_drum(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.5, 0.4), 0.04)
    gains = take.rng.choice([0.5, 0.8, 1.0], len(times))
    since = np.clip(take.t - take.stepwise(times, times), 0, None)
    f0 = take.near(56, 0.3) * (1 + take.between(0.6, 2.5) * np.exp(-since / take.near(0.025, 0.4)))
    skin = take.sine(f0) * take.hits(times, 0.002, take.near(0.16, 0.5), gains)
    beater = take.hits(times, 0.0008, 0.008, gains) * take.noise(take.band(300, take.near(2500, 0.4)))
    return skin + take.between(0.05, 0.4) * beater


@sound("Hi-hat", "A drummer's hi-hat cymbals tick in a fast rhythm, thin and crisp.")
def hi_hat(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.19, 0.4), 0.06)
    gains = take.rng.choice([0.4, 0.7, 1.0], len(times))
    opened = take.rng.random(len(times)) < take.between(0.0, 0.3)
    modes = take.near(1, 0.15) * np.exp(take.rng.uniform(np.log(3500), np.log(13000), 18))
    metal = take.peaks(modes, 60 + 0.02 * modes, take.rng.uniform(0.3, 1, 18), 0.15)
    plates = take.noise(metal, take.band(take.near(5000, 0.3), 14000, 2))
    closed = take.hits(times, 0.0008, take.near(0.03, 0.4), gains * ~opened)
    return plates * (closed + take.hits(times, 0.001, take.near(0.16, 0.4), gains * opened))
