"""What ends a partition's task, or a batch of it."""


class PartitionFailed(Exception):
    """A partition cannot go on; the message names it and the record that it was at."""


class Told(Exception):
    """An error that is not here any more; the message is its traceback."""


class ScorerLost(Exception):
    """The process that had the batch is gone, and with it what it had decoded and scored; the message says how."""


class NotTogether(Exception):
    """Records of these partitions cannot be scored together; the message says why."""


class NoScorer(Exception):
    """A process that scores cannot be started; the message has its last words."""
