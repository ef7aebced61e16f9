"""The work on a batch between "taken from Kafka" and "ready to commit", for some partitions, in one thread."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from detectors.models import Models
from detectors.state import States
from domain.identity import Content
from domain.values import Values
from services.pipeline import scoring
from services.pipeline.misplaced import Misplaced, misplaced
from services.pipeline.profile_cache import Lent, ProfileCache
from services.pipeline.resends import sort_out
from services.pipeline.scoring import Decoded, Record, ScoredBatch
from services.records import mapping as mappings
from services.store.batch import Term


class Seat(NamedTuple):
    """Who asks: the task that has the partition in this epoch. Another one of the partition may still be ending."""

    partition: int
    epoch: int


class Looked(NamedTuple):
    """What a batch was found to be: what of it PostgreSQL has to be asked before it is scored.

    `ids` are those of its transactions, which happened from `first` to `last`; `unknown` are users whose committed
    profiles are not here. `misplaced` is the first record that is not keyed by its user, if keys were looked at.
    """

    ids: Sequence[str]
    first: datetime
    last: datetime
    unknown: Sequence[str]
    misplaced: Misplaced | None


class Answered(NamedTuple):
    """What PostgreSQL says of a batch: by id what is stored of it, and of unknown users the profiles, if they have any.

    The batch moves the partition's `term` from the offset `expected` to `following`.
    """

    term: Term
    expected: int
    following: int
    stored: Mapping[str, Sequence[Content]]
    profiles: Mapping[str, bytes]


class Outcome(NamedTuple):
    """A batch ready to commit, how many of its records were no new transactions, and what it is to be told of others.

    The payloads of the records of a `plain` one are its transactions as we write them.
    """

    scored: ScoredBatch
    resends: int
    updates: int
    skipped: Counter[str]
    remarks: Counter[str]
    faults: Mapping[int, str]
    plain: bool


class Scorer:
    """Decodes and scores batches, one of each seat at a time, and keeps the profiles of their users in between.

    A batch is decoded, scored and, once it is committed, `stored`. One that is given up needs no word: the next takes
    its place, from the profiles as they were committed.
    """

    def __init__(self, mapping: mappings.Mapping | None, profiles: ProfileCache) -> None:
        self._mapping = mapping
        self._profiles = profiles
        self._decoded: dict[Seat, tuple[Decoded, Lent]] = {}
        self._scored: dict[Seat, tuple[Mapping[str, bytes], States, Lent]] = {}
        self._newest: dict[int, Seat] = {}

    def decode(self, seat: Seat, records: Sequence[Record], *, keys: bool) -> Looked:
        """Look at the records of a batch, also at their `keys` or not. Raises: RegistryAway."""
        now = datetime.now(UTC)
        found = scoring.decode(records, self._mapping, now)
        times = found.values["timestamp"] or [now]
        lent = self._profiles.lend(seat.partition, set(found.values["user_id"]))
        self._decoded[seat] = found, lent
        self._newest[seat.partition] = seat
        return Looked(
            found.values["transaction_id"],
            min(times),
            max(times),
            lent.unknown,
            misplaced(records, found) if keys else None,
        )

    def score(self, seat: Seat, answered: Answered, models: Models) -> Outcome:
        """Score the batch that was decoded last. Nothing is learnt before it is `stored`."""
        found, lent = self._decoded.pop(seat)
        fresh, changed, resends, updates = sort_out(found, answered.stored)
        encoded = {**lent.encoded, **answered.profiles}
        values: Values | None = found.values
        if len(fresh) < len(found.transactions):
            values = None
            users = {record.transaction.user_id for record in fresh}
            encoded = {user: state for user, state in encoded.items() if user in users}
        dead = sorted((*found.dead, *changed))
        scored = scoring.score(
            answered.term, answered.expected, answered.following, fresh, dead, encoded, lent.decoded, models, values
        )
        profiles = scored.prepared.batch.profiles
        # Those that the batch moves are kept once it is stored.
        unmoved = [user for user in lent.unknown if user not in profiles]
        self._profiles.keep(seat.partition, {user: answered.profiles.get(user) for user in unmoved})
        self._scored[seat] = profiles, scored.states, lent
        scored = scored._replace(states=scoring.NOBODY)
        plain = all(record.plain for record in fresh)
        return Outcome(scored, resends, updates, found.skipped, found.remarks, found.faults, plain)

    def stored(self, seat: Seat) -> None:
        """The batch that was scored last is committed: its profiles are what the next ones start from."""
        profiles, states, lent = self._scored.pop(seat)
        if self._newest.get(seat.partition) != seat:
            # A later task of the partition may have moved them on already.
            return
        # Most users of a stream of very many do not come again before others take their place.
        decoded = {
            user: states.apart(row, lent.decoded.get(user))
            for row, user in enumerate(states.users)
            if user in lent.encoded
        }
        self._profiles.keep(seat.partition, profiles, decoded)

    def forget(self, seat: Seat) -> None:
        """Drop what is here of a task, and the profiles of its partition; another owner may write meanwhile."""
        self._decoded.pop(seat, None)
        self._scored.pop(seat, None)
        self._profiles.forget(seat.partition)

    def clear(self) -> None:
        """Drop everybody's profiles; somebody has written to the store."""
        self._profiles.clear()
