from __future__ import annotations

from hypothesis import settings


def test_no_property_keeps_to_a_deadline() -> None:
    assert settings().deadline is None
