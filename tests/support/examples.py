"""How many examples a property test runs: its profile's number, or a multiple of it."""

from __future__ import annotations

from hypothesis import settings


def examples(*, times: float) -> settings:
    """Return settings with `times` as many examples as the loaded profile has; at least one.

    The profiles are in tests/conftest.py. A fixed number beside a test would override them.
    """
    profile = settings.get_profile(settings.get_current_profile_name())
    return settings(max_examples=max(1, round(profile.max_examples * times)))
