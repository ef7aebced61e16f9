"""The work on a batch between "taken from Kafka" and "ready to commit", for some partitions, in one thread."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from detectors.models import Models
from detectors.state import States
from domain.identity import Content
from domain.values import Values
from services.pipeline import scoring
from services.pipeline.failures import NotTogether
from services.pipeline.misplaced import Misplaced, misplaced
from services.pipeline.profile_cache import Lent, ProfileCache
from services.pipeline.resends import sort_out
from services.pipeline.scoring import Decoded, Move, Record, ScoredBatch, Seat, Share
from services.records import mapping as mappings


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

    The batch makes these `moves`, one of each partition that was decoded, in that order.
    """

    moves: Sequence[Move]
    stored: Mapping[str, Sequence[Content]]
    profiles: Mapping[str, bytes]

    @property
    def seats(self) -> list[Seat]:
        """Of the partitions."""
        return [move.seat for move in self.moves]


class Outcome(NamedTuple):
    """A batch ready to commit, how many of its records were no new transactions, and what it is to be told of others.

    `faults` are those of `Decoded` by partition and offset. The payloads of the records of a `plain` one are its
    transactions as we write them.
    """

    scored: ScoredBatch
    resends: int
    skipped: Counter[str]
    remarks: Counter[str]
    faults: Mapping[tuple[int, int], str]
    plain: bool


class _Decoded(NamedTuple):
    """A batch that was decoded: what was found in each partition, and the profiles that are here of its users."""

    found: Sequence[Decoded]
    lent: Sequence[Lent]


class _Scored(NamedTuple):
    """A batch that was scored: the profiles of each partition after it, the states that they are of, and what of them
    were lent."""

    profiles: Mapping[int, Mapping[str, bytes]]
    states: States
    lent: Lent


class Scorer:
    """Decodes and scores batches, of each seat one at a time, and keeps the profiles of their users in between.

    A batch, which may be of several seats, is decoded, scored and, once it is committed, `stored`. One that is given up
    needs no word: the next of a seat takes its place, from the profiles as they were committed.
    """

    def __init__(self, mapping: mappings.Mapping | None, profiles: ProfileCache) -> None:
        self._mapping = mapping
        self._profiles = profiles
        self._decoded: dict[Seat, _Decoded] = {}
        self._scored: dict[Seat, _Scored] = {}
        self._newest: dict[int, Seat] = {}

    def decode(self, taken: Mapping[Seat, Sequence[Record]], *, keys: bool) -> Looked:
        """Look at the records of a batch, also at their `keys` or not. Raises: RegistryAway, NotTogether."""
        now = datetime.now(UTC)
        found = [scoring.decode(records, self._mapping, now) for records in taken.values()]
        users = [set(each.values["user_id"]) for each in found]
        if sum(map(len, users)) > len(set().union(*users)):
            raise NotTogether("a user has records in several partitions")
        lent = [self._profiles.lend(seat.partition, some) for seat, some in zip(taken, users, strict=True)]
        batch = _Decoded(found, lent)
        for seat in taken:
            self._decoded[seat] = batch
            self._newest[seat.partition] = seat
        times = [*chain.from_iterable(each.values["timestamp"] for each in found)] or [now]
        placed = zip(taken.items(), found, strict=True) if keys else ()
        return Looked(
            [*chain.from_iterable(each.values["transaction_id"] for each in found)],
            min(times),
            max(times),
            [*chain.from_iterable(each.unknown for each in lent)],
            next(filter(None, (misplaced(seat.partition, records, each) for (seat, records), each in placed)), None),
        )

    def score(self, answered: Answered, models: Models) -> Outcome:
        """Score the batch that was decoded last. Nothing is learnt before it is `stored`."""
        # Each seat has the same.
        (found, lents), *_ = [self._decoded.pop(seat) for seat in answered.seats]
        shares, values, plain = [], _together(found), True
        resends = 0
        skipped, remarks = Counter[str](), Counter[str]()
        faults: dict[tuple[int, int], str] = {}
        for move, each, some in zip(answered.moves, found, sort_out(found, answered.stored), strict=True):
            other = each.skipped + Counter(updated=some.updates)
            dead = sorted((*each.dead, *some.changed))
            shares.append(Share(move, some.fresh, dead, some.resends, other.total()))
            if len(some.fresh) < len(each.transactions):
                values = None
            resends += some.resends
            skipped.update(other)
            remarks.update(each.remarks)
            faults.update({(move.term.partition, offset): told for offset, told in each.faults.items()})
            plain = plain and all(record.plain for record in some.fresh)
        lent = _all_of(lents)
        encoded = {**lent.encoded, **answered.profiles}
        if values is None:
            users = {record.transaction.user_id for share in shares for record in share.decoded}
            encoded = {user: state for user, state in encoded.items() if user in users}
        scored = scoring.score(shares, encoded, lent.decoded, models, values)
        parts = scored.prepared.batch.parts
        for part, here in zip(parts, lents, strict=True):
            # Those that the batch moves are kept once it is stored.
            unmoved = {user: answered.profiles.get(user) for user in here.unknown if user not in part.profiles}
            self._profiles.keep(part.term.partition, unmoved)
        batch = _Scored({part.term.partition: part.profiles for part in parts}, scored.states, lent)
        self._scored.update(dict.fromkeys(answered.seats, batch))
        return Outcome(scored._replace(states=scoring.NOBODY), resends, skipped, remarks, faults, plain)

    def stored(self, seats: Sequence[Seat]) -> None:
        """The batch that was scored last is committed: its profiles are what the next ones start from."""
        for seat in seats:
            batch = self._scored.pop(seat, None)
            # A later task of the partition may have moved them on already, and who has forgotten them has no batch.
            if batch is not None and self._newest.get(seat.partition) == seat:
                self._keep(seat.partition, batch)

    def _keep(self, partition: int, batch: _Scored) -> None:
        (profiles, states, lent) = batch
        own = profiles[partition]
        # Most users of a stream of very many do not come again before others take their place.
        decoded = {
            user: states.apart(row, lent.decoded.get(user))
            for row, user in enumerate(states.users)
            if user in lent.encoded and user in own
        }
        self._profiles.keep(partition, own, decoded)

    def forget(self, seat: Seat) -> None:
        """Drop what is here of a task, and the profiles of its partition; another owner may write meanwhile."""
        self._decoded.pop(seat, None)
        self._scored.pop(seat, None)
        self._profiles.forget(seat.partition)

    def clear(self) -> None:
        """Drop everybody's profiles; somebody has written to the store."""
        self._profiles.clear()


def _together(found: Sequence[Decoded]) -> Values | None:
    """The values of all."""
    if len(found) == 1:
        return found[0].values
    return {path: [*chain.from_iterable(each.values[path] for each in found)] for path in found[0].values}


def _all_of(lents: Sequence[Lent]) -> Lent:
    if len(lents) == 1:
        return lents[0]
    together = Lent({}, {}, [])
    for lent in lents:
        together.encoded.update(lent.encoded)
        together.decoded.update(lent.decoded)
        together.unknown.extend(lent.unknown)
    return together
