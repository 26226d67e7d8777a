"""Things: engines, signals, and what people do with objects."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Sounds of things")


@sound("Idling", "A car engine idles, a low uneven throb.")
def idling(take: Take) -> np.ndarray:
    rate = take.near(27, 0.4)
    times = take.regular(1 / rate, 0.06, start=0.0)
    cylinders = take.rng.uniform(0.6, 1, 4)
    gains = cylinders[np.arange(len(times)) % 4] * take.rng.uniform(0.9, 1, len(times))
    fired = take.hits(times, 0.002, take.near(0.009, 0.4), gains) * (take.white() + 1.5)
    block = take.peaks(
        [take.near(75, 0.3), take.near(180, 0.3), take.near(700, 0.5)], [50, 120, 600], [1, 0.7, 0.2]
    )
    return b.level(take.shaped(fired, block)[0]) + 0.06 * take.noise(take.band(300, 3500, 1))


@sound("Helicopter", "A helicopter hovers with beating blades.")
def helicopter(take: Take) -> np.ndarray:
    near = np.exp(0.3 * take.drift(0.5))
    times = take.regular(1 / take.near(12, 0.3), 0.03, start=0.0)
    chop = take.hits(times, 0.012, take.near(0.02, 0.4))
    blades = take.noise(take.band(40, take.near(420, 0.5), 1.5)) * (chop + 0.15)
    swish = take.noise(take.band(500, take.near(2800, 0.4), 1)) * (chop + 0.1)
    turbine = take.tone(take.near(850, 0.5) * (1 + 0.003 * take.drift(3)), [1, 0.4, 0.2])
    return (blades + take.between(0.15, 0.5) * swish + take.between(0.01, 0.08) * turbine) * near


@sound("Siren", "The siren of an emergency vehicle wails up and down.")
def siren(take: Take) -> np.ndarray:
    low, span = take.near(620, 0.3), take.between(0.7, 1.3)
    period = take.near(1.4, 0.9)
    x = (take.t / period + take.rng.random()) % 1
    kind = take.rng.random()
    if kind < 0.45:  # wail
        sweep = 0.5 - 0.5 * np.cos(2 * np.pi * x)
    elif kind < 0.75:  # two tones
        sweep = 0.5 * take.glide(x < 0.5, 0.004)
    else:  # yelp
        sweep = (4 * x) % 1
        sweep = np.where(sweep > 0.92, (1 - sweep) / 0.08, sweep / 0.92)
    horn = take.tone(low * 2 ** (span * sweep), b.rolloff(14, take.between(0.7, 1.3)))
    return take.shaped(horn, take.peaks([take.near(1500, 0.3)], [1800], [1], 0.25))[0]


@sound("Car horn", "A driver honks the two-tone horn of a car.")
def car_horn(take: Take) -> np.ndarray:
    starts = take.regular(take.near(0.9, 0.5), 0.3)
    pitch = take.near(405, 0.25)
    reeds = take.tone(pitch, b.rolloff(25, 0.45)) + take.tone(
        pitch * take.between(1.2, 1.28), b.rolloff(25, 0.45)
    )
    bell = take.peaks([take.near(1400, 0.2), take.near(2800, 0.2)], [900, 1500], [1, 0.7], 0.25)
    return take.shaped(b.saturate(reeds, 1.5), bell)[0] * take.notes(starts, take.near(0.5, 0.5), 0.012, 0.03)


@sound("Telephone bell", "An old telephone rings with rattling metal bells.")
def telephone(take: Take) -> np.ndarray:
    starts = take.regular(take.near(1.7, 0.3), 0.1, start=take.between(0.0, 0.3))
    ringing = take.notes(starts, take.near(1.0, 0.3), 0.01, 0.02)
    times = take.regular(1 / take.near(22, 0.15), 0.04, start=0.0)
    gains = np.interp(times, take.t, ringing)
    pitch = take.near(1250, 0.25)
    ratios, decay = np.array([1, 1.31, 2.42, 3.1, 4.3]), take.near(0.14, 0.4)
    bells = take.ring(times, gains, pitch * ratios, decay / np.sqrt(ratios), [1, 0.8, 0.6, 0.4, 0.3])
    return b.unit(bells) + 0.03 * take.hits(times, 0.0005, 0.003, gains) * take.white()


@sound("Tick-tock", "A clock ticks and tocks evenly in a quiet room.")
def tick_tock(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.5, 0.5), 0.02)
    pitch, decay = take.near(2400, 0.45), take.near(0.006, 0.5)
    sound = np.zeros(take.n)
    for k, (height, loud) in enumerate([(1.0, 1.0), (take.between(0.75, 0.95), 0.8)]):
        f = pitch * height * np.array([0.4, 1, 1.7, 2.9])
        sound += take.ring(times[k::2], loud, f, [2 * decay, decay, decay, 0.5 * decay], [0.5, 1, 0.6, 0.4])
    return b.unit(sound) + 0.003 * take.noise(take.band(300, 5000))


@sound("Computer keyboard", "Someone types fast on a keyboard, dry little clicks.")
def keyboard(take: Take) -> np.ndarray:
    times = take.regular(1 / take.near(7, 0.4), take.between(0.5, 1.0))
    times = times[take.rng.random(len(times)) < 0.85] if len(times) > 4 else times
    gains = take.rng.uniform(0.4, 1, len(times))
    up = times + take.rng.uniform(0.06, 0.1, len(times))
    both, loud = np.concatenate([times, up]), np.concatenate([gains, 0.4 * gains])
    clicks = take.hits(both, 0.0008, take.near(0.006, 0.4), loud) * take.white()
    case = take.peaks(
        [take.near(420, 0.3), take.near(1900, 0.3), take.near(4800, 0.25)],
        [200, 900, 2500],
        [0.6, 1, 0.6],
        0.06,
    )
    return take.shaped(clicks, case)[0]


@sound("Drill", "A power drill whirs and grinds into a wall.")
def drill(take: Take) -> np.ndarray:
    start, length = take.between(0.0, 0.15) * take.seconds, take.between(0.7, 0.95) * take.seconds
    speed = np.clip((take.t - start) / 0.2, 0.15, 1) * (1 - take.between(0, 0.2) * (take.drift(1.5) > 0.5))
    f0 = take.near(190, 0.4) * speed * (1 + 0.015 * take.drift(12))
    motor = take.tone(f0, b.rolloff(40, take.between(0.4, 0.9)) * take.rng.uniform(0.2, 1, 40))
    chatter = take.white() * (1 + 0.8 * np.sin(2 * np.pi * np.cumsum(f0) / take.sample_rate * 2))
    case = take.peaks([take.near(900, 0.3), take.near(2600, 0.3)], [700, 1800], [1, 0.8], 0.2)
    return take.shaped(motor + take.between(0.15, 0.6) * chatter, case)[0] * take.notes(
        np.array([start]), min(length, take.seconds - start), 0.06, 0.1
    )


@sound("Shatter", "Glass breaks and its splinters tinkle on the floor.")
def shatter(take: Take) -> np.ndarray:
    start = take.between(0.03, 0.2) * min(take.seconds, 2)
    count = max(8, int(take.near(60, 0.4)))
    pieces = np.sort(start + take.rng.exponential(take.near(0.22, 0.4), count))
    pieces = (
        pieces[pieces < take.seconds - 0.02] if (pieces < take.seconds - 0.02).any() else np.array([start])
    )
    blow = take.hits(np.array([start]), 0.001, take.near(0.05, 0.4)) * take.noise(take.band(800, 11000, 1))
    glass, groups = np.zeros(take.n), np.arange(len(pieces)) % 8
    for g in range(8):
        mine = pieces[groups == g]
        if len(mine):
            f = take.near(1, 0.15) * np.exp(take.rng.uniform(np.log(2200), np.log(9500), 2))
            gains = take.rng.gamma(1, 1, len(mine)) * np.exp(-(mine - start) / 0.5)
            glass += take.ring(mine, gains, f, take.rng.uniform(0.015, 0.06, 2), [1, 0.7])
    return b.unit(glass) + take.between(0.15, 0.5) * blow


@sound("Motorcycle", "A motorcycle engine revs up and down with a throaty roar.")
def motorcycle(take: Take) -> np.ndarray:
    throttle = take.glide(np.exp2(take.between(0.2, 0.6) * take.drift(take.near(1.2, 0.4))), 0.1)
    rate = take.near(62, 0.4) * throttle * (1 + 0.01 * take.drift(30))
    phase = np.cumsum(rate) / take.sample_rate
    fired = np.diff(np.floor(phase), prepend=0) > 0
    limp = 1 + take.between(0, 0.5) * np.sin(np.pi * phase)  # of two cylinders, one is stronger
    source = take.tone(rate, b.rolloff(50, take.between(0.3, 0.7))) * limp
    bangs = take.hits(take.t[fired], 0.001, 0.006) * take.white() if fired.any() else take.white()
    exhaust = take.peaks(
        [take.near(130, 0.3), take.near(340, 0.3), take.near(1100, 0.4)], [80, 200, 900], [1, 0.7, 0.25], 0.03
    )
    return take.shaped(b.saturate(source, 2) + take.between(0.2, 0.6) * bangs, exhaust)[0] * throttle


@sound("Chainsaw", "A chainsaw screams and bogs down, a loud rasping little engine.")
def chainsaw(take: Take) -> np.ndarray:
    cuts = take.regular(take.near(1.3, 0.4), 0.3)
    load = take.glide(take.notes(cuts, take.near(0.8, 0.3), 0.1, 0.15), 0.05)
    rate = take.near(125, 0.35) * (1 - take.between(0.1, 0.3) * load) * (1 + 0.02 * take.drift(14))
    engine = b.saturate(take.tone(rate, b.rolloff(60, take.between(0.1, 0.5))), 1.5)
    chain = take.white() * (1 + 0.7 * np.sin(2 * np.pi * np.cumsum(rate) / take.sample_rate))
    case = take.peaks(
        [take.near(480, 0.3), take.near(1500, 0.3), take.near(3400, 0.3)],
        [400, 1000, 2200],
        [0.8, 1, 0.7],
        0.08,
    )
    return take.shaped(engine + take.between(0.1, 0.45) * chain * (0.3 + load), case)[0]


@sound("Vacuum cleaner", "A vacuum cleaner runs, a whining motor in a steady rush of air.")
def vacuum_cleaner(take: Take) -> np.ndarray:
    f0 = take.near(310, 0.35) * (1 + 0.002 * take.drift(3))
    motor = take.tone(f0, b.rolloff(20, take.between(0.7, 1.2)) * take.rng.uniform(0.2, 1, 20))
    nozzle = 1 + take.between(0.05, 0.3) * take.drift(take.near(1.2, 0.5))
    suction = take.noise(take.band(take.near(350, 0.4), take.near(5000, 0.4), 1))
    return suction * nozzle + take.between(0.2, 0.7) * motor


@sound("Alarm clock", "An alarm clock goes off with fast, high electronic beeps.")
def alarm_clock(take: Take) -> np.ndarray:
    group, pace = take.count(2, 4), take.near(0.12, 0.2)
    calls = take.regular(group * pace + take.near(0.4, 0.3), 0.01, start=take.early(0.0, 0.2))
    starts = take.groups(calls, pace, group)
    partials = [1, take.between(0, 0.2), take.between(0.1, 0.5), 0, take.between(0, 0.3)]
    return take.tone(take.near(2100, 0.3), partials) * take.notes(starts, 0.55 * pace, 0.003, 0.005)


@sound("Church bell", "A heavy church bell tolls and rings on for a long time.")
def church_bell(take: Take) -> np.ndarray:
    times = take.regular(take.near(1.25, 0.35), 0.08, start=take.early(0.02, 0.2))
    strike = take.near(430, 0.5)
    # Hum, prime, minor third, fifth, octave, and what lies above: none of them quite in tune.
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.51, 3.01, 4.17]) * 2 ** take.rng.normal(0, 0.008, 8)
    decay = take.near(1.5, 0.3)
    gains = take.rng.uniform(0.6, 1, len(times))
    weights = np.array([0.6, 0.7, 0.9, 0.5, 1, 0.5, 0.5, 0.3]) * take.rng.uniform(0.6, 1, 8)
    bronze = take.ring(times, gains, strike * ratios, decay / ratios**0.9, weights)
    clapper = take.hits(times, 0.001, 0.01, gains) * take.noise(take.band(800, 5000))
    return b.unit(bronze) + 0.05 * clapper


@sound("Typewriter", "Someone types on an old typewriter, hard metal clacks.")
def typewriter(take: Take) -> np.ndarray:
    times = take.regular(1 / take.near(5.5, 0.4), take.between(0.4, 0.9))
    gains = take.rng.uniform(0.5, 1, len(times))
    clacks = take.hits(times, 0.0006, take.near(0.009, 0.4), gains) * take.white()
    frame = take.peaks(
        [take.near(850, 0.3), take.near(2700, 0.3), take.near(6000, 0.25)],
        [350, 900, 2500],
        [0.8, 1, 0.6],
        0.06,
    )
    platen = take.ring(times, gains, [take.near(190, 0.3), take.near(1600, 0.3)], [0.02, 0.03], [1, 0.4])
    strokes = b.unit(take.shaped(clacks, frame)[0]) + take.between(0.1, 0.4) * b.unit(platen)
    if take.rng.random() < 0.4:  # the end of a line
        end = np.array([take.between(0.4, 0.9) * take.seconds])
        strokes += 0.3 * b.unit(take.ring(end, 1.0, [take.near(2900, 0.2), 6400], [0.3, 0.1], [1, 0.3]))
    return strokes


@sound("Foghorn", "A ship's foghorn blows one long, very low blast.")
def foghorn(take: Take) -> np.ndarray:
    length = take.near(1.6, 0.3)
    starts = take.regular(length + take.near(0.7, 0.4), 0.1, start=take.early(0.0, 0.3))
    x = take.progress(starts, length)
    f0 = take.near(135, 0.4) * (
        1 - 0.06 * np.exp(-8 * x) - take.between(0, 0.3) * np.clip(8 * (x - 0.88), 0, 1)
    )
    reed = b.saturate(take.tone(f0, b.rolloff(30, take.between(0.6, 1.1))), 1.5)
    throat = take.peaks([take.near(260, 0.3), take.near(700, 0.3)], [250, 500], [1, 0.5], 0.05)
    air = 0.03 * take.noise(take.band(200, 2500, 1))
    return (b.level(take.shaped(reed, throat)[0]) + air) * take.notes(starts, length, 0.12, 0.2)
