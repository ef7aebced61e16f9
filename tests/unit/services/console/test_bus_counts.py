"""Counts of the bus: latencies by bucket."""

from math import inf

from services.console.bus import Histogram


def test_values_are_counted_in_the_first_bucket_whose_end_they_do_not_exceed() -> None:
    found = Histogram((1.0, 2.0, 5.0))
    found.add([0.5, 1.0, 1.5, 7.0, 8.0])
    found.add([])
    found.add([2.0])
    assert found.cumulative == ((1.0, 2), (2.0, 4), (5.0, 4), (inf, 6))
    assert found.sum == 20.0
