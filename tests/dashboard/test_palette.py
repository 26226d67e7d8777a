from __future__ import annotations

import itertools

import numpy as np
import pytest

from dashboard.kit import palette

# Linear RGB as people without M (deuteranopia), L (protanopia) or S cones (tritanopia) see it:
# Machado, Oliveira & Fernandes (2009), severity 1.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    v = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(c)) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    x = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(1)
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_base_colours_stand_out_from_the_page(theme: str) -> None:
    for colour in (*palette.BASE[theme], palette.NEUTRAL[theme]):
        assert contrast(colour, palette.BACKGROUND[theme]) >= 3.0, colour


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_base_colours_can_be_told_apart(theme: str, vision: str) -> None:
    seen = {c: lab(VISION[vision] @ linear(c)) for c in palette.BASE[theme]}
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) >= 16, (a, b)


def test_a_class_keeps_its_colour_whatever_the_order() -> None:
    few = {"dog": "animals", "rain": None, "bell": "things"}
    assert palette.class_styles(few) == palette.class_styles(dict(reversed(few.items())))
    assert len({s.light for s in palette.class_styles(few).values()}) == 3


def test_many_classes_share_the_hue_of_their_family_and_stay_distinct() -> None:
    families = {f"class {i:02d}": f"family {i % 6}" for i in range(60)}
    styles = palette.class_styles(families)
    assert len({(s.light, s.symbol) for s in styles.values()}) == 60
    assert len({(s.dark, s.symbol) for s in styles.values()}) == 60
    members = [c for c, f in families.items() if f == "family 0"]
    others = [c for c, f in families.items() if f != "family 0"]
    assert not {styles[c].light for c in members} & {styles[c].light for c in others}


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_classes_of_one_marker_can_be_told_apart(theme: str, vision: str) -> None:
    styles = palette.class_styles({f"{f} {i}": f"family {f}" for f in range(6) for i in range(9)})
    seen = {c: lab(VISION[vision] @ linear(getattr(s, theme))) for c, s in styles.items()}
    for a, b in itertools.combinations(styles, 2):
        if styles[a].symbol == styles[b].symbol:
            assert np.linalg.norm(seen[a] - seen[b]) >= 11, (a, b)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_shade_of_a_family_stands_out_from_the_page(theme: str) -> None:
    styles = palette.class_styles({f"{f} {i}": f"family {f}" for f in range(10) for i in range(3)})
    for style in styles.values():
        assert contrast(getattr(style, theme), palette.BACKGROUND[theme]) >= 2.95, style


def test_a_family_has_the_colour_of_its_first_class() -> None:
    classes = palette.class_styles({f"{f} {i}": f for f in ("a", "b") for i in range(8)})
    families = palette.family_styles(["a", "b"])
    assert [families["a"], families["b"]] == [classes["a 0"], classes["b 0"]]


def test_oklch_against_published_colours() -> None:
    # From the CSS Color 4 specification's samples: red, and a grey.
    assert palette.oklch(0.62796, 0.25768, 29.234) == "#ff0000"
    assert palette.oklch(0.59987, 0.0, 0.0) == "#808080"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_buttons_can_be_read(theme: str) -> None:
    from dashboard import theme as options

    primary = getattr(options, theme.upper())["primaryColor"]
    assert contrast(primary, "#ffffff") >= 4.5
    assert contrast(primary, palette.BACKGROUND[theme]) >= 3


def test_many_classes_without_families_stay_distinct() -> None:
    styles = palette.class_styles({f"class {i:02d}": None for i in range(80)})
    assert len({(s.light, s.symbol) for s in styles.values()}) == 80


def test_steps_are_flat() -> None:
    styles = list(palette.class_styles({"a": None, "b": None}).values())
    assert palette.steps(styles, "dark") == [
        (0.0, styles[0].dark), (0.5, styles[0].dark), (0.5, styles[1].dark), (1.0, styles[1].dark)
    ]  # fmt: skip
