"""Every equation test gets `check`, which compares both sides and must have been used."""

import pytest
from sides import Check


@pytest.fixture
def check(request):
    marker = request.node.get_closest_marker("equation")
    assert marker is not None, "mark the test: @pytest.mark.equation(by=..., within=...)"
    comparison = Check(**marker.kwargs)
    yield comparison
    assert comparison.count, "the test compared nothing"
