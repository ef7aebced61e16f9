"""The order in which records of several partitions are sent on."""

from services.pipeline.merge import Merge


def taken(merge: Merge[str]) -> list[str]:
    found = []
    while (item := merge.next()) is not None:
        found.append(item)
    return found


def never(partition: int) -> bool:
    return False


def test_the_record_with_the_lowest_time_goes_first() -> None:
    merge: Merge[str] = Merge((0, 1), never)
    for time in (1, 4, 5):
        merge.add(0, time, f"0 at {time}")
    for time in (2, 3, 6):
        merge.add(1, time, f"1 at {time}")
    merge.ended(0)
    merge.ended(1)
    assert taken(merge) == ["0 at 1", "1 at 2", "1 at 3", "0 at 4", "0 at 5", "1 at 6"]


def test_a_partition_keeps_its_own_order_whatever_the_times() -> None:
    merge: Merge[str] = Merge((0, 1), never)
    for time in (5, 1):
        merge.add(0, time, f"0 at {time}")
    merge.add(1, 3, "1 at 3")
    merge.ended(0)
    merge.ended(1)
    assert taken(merge) == ["1 at 3", "0 at 5", "0 at 1"]


def test_a_partition_that_is_not_at_its_end_is_waited_for() -> None:
    merge: Merge[str] = Merge((0, 1), never)
    merge.add(0, 5, "0 at 5")
    assert taken(merge) == []
    merge.add(1, 1, "1 at 1")
    assert taken(merge) == ["1 at 1"]
    merge.ended(1)
    assert taken(merge) == ["0 at 5"]


def test_a_partition_at_its_end_is_not_waited_for_until_more_comes() -> None:
    ends = {1}
    merge: Merge[str] = Merge((0, 1), lambda partition: partition in ends)
    merge.add(0, 5, "0 at 5")
    merge.ended(0)
    assert taken(merge) == ["0 at 5"]
    ends.clear()
    merge.add(1, 7, "1 at 7")
    assert taken(merge) == ["1 at 7"]
    merge.add(0, 8, "0 at 8")
    assert taken(merge) == []
