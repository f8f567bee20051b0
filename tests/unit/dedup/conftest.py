from __future__ import annotations

import pytest

from tests.support.dedup_stores import Machine


@pytest.fixture
def machine():
    """The clocks of the machine."""
    return Machine()
