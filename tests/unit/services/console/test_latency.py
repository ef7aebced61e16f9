"""The latency that is shown is that of the last minute."""

from services.console.bus import Bus
from tests.storing import stored


def test_what_a_backlog_took_is_over_after_a_minute() -> None:
    now = 0.0
    bus = Bus(lambda: now)
    assert bus.latency(0.95) == (0.0,)
    bus.publish([stored(1, "u")], [4.0] * 500)
    now = 59.0
    bus.publish([stored(2, "u")], [0.25])
    assert bus.latency(0.5, 0.95) == (4.0, 4.0)
    now = 61.0
    assert bus.latency(0.5, 0.95) == (0.25, 0.25)
    assert bus.latencies.cumulative[-1][1] == 501, "the histogram counts all since the start"
