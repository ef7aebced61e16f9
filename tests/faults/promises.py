"""What delivery promises: what must be true of PostgreSQL once everything that was sent is stored."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from detectors.enhanced import EnhancedModel
from detectors.formats import FORMAT, STATE_VERSION
from detectors.state import UserState
from services.store.store import Store
from tests.faults import figures


async def broken_promises(
    store: Store,
    *,
    sent: Iterable[str],
    poison: Iterable[tuple[int, int]],
    ends: Mapping[int, int],
    cluster: str,
    topic: str = "transactions",
    wrong: Callable[[Store], Awaitable[set[str]]] | None = None,
) -> list[str]:
    """Every promise that does not hold, named; empty when all do.

    `sent` are the acknowledged transaction ids, `poison` the (partition, offset) of records that are no
    transactions, `ends` the end offset by partition. `wrong` finds users with a wrong profile where another
    release learnt some of them.
    """
    broken = []
    sent_ids = set(sent)
    stored = [row[0] for row in await store.pool.fetch("SELECT transaction_id FROM transactions")]
    if len(stored) != len(set(stored)):
        broken.append(f"{len(stored) - len(set(stored))} transactions stored twice")
    if set(stored) != sent_ids:
        broken.append(f"{len(sent_ids - set(stored))} transactions lost, {len(set(stored) - sent_ids)} unknown")
    unjudged = await store.pool.fetchval(
        "SELECT count(*) FROM (SELECT t.transaction_id FROM transactions t LEFT JOIN verdicts v USING (transaction_id)"
        " GROUP BY 1 HAVING count(*) <> 2 OR count(DISTINCT v.detector) <> 2) x"
    )
    if unjudged:
        broken.append(f"{unjudged} transactions without exactly one verdict of each detector")
    dead = {tuple(row) for row in await store.pool.fetch('SELECT partition, "offset" FROM dead_letters')}
    if dead != set(poison):
        broken.append(f"dead letters {dead ^ set(poison)}")
    at = (cluster, topic)
    reached = {
        row["partition"]: row["next_offset"] for row in await store.progress() if (row["cluster"], row["topic"]) == at
    }
    if {number: reached.get(number, 0) for number in ends} != dict(ends):
        broken.append(f"progress {reached} instead of {dict(ends)}")
    uncounted = await store.pool.fetch(
        "SELECT topic, partition FROM progress WHERE counted <> next_offset OR first_offset <> 0 OR without_record < 0"
    )
    if uncounted:
        broken.append(f"offsets that are in no sum: {[tuple(row) for row in uncounted]}")
    sums = await store.pool.fetchrow("SELECT sum(stored), sum(dead), sum(lost) FROM progress")
    if tuple(sums) != (len(stored), len(dead), 0):
        broken.append(f"sums of {tuple(sums)} instead of {len(stored)} stored, {len(dead)} dead and none lost")
    differ = await (wrong or wrong_profiles)(store)
    counted = figures.current
    counted.counted = True
    counted.sent = len(sent_ids)
    counted.lost, counted.invented = len(sent_ids - set(stored)), len(set(stored) - sent_ids)
    counted.doubled, counted.profiles_wrong = len(stored) - len(set(stored)), len(differ)
    if differ:
        broken.append(f"{len(differ)} profiles differ from a recount")
    return broken


async def wrong_profiles(
    store: Store, before: Mapping[str, bytes] = MappingProxyType({}), learnt: Collection[str] = ()
) -> set[str]:
    """Users whose profile is not what their transactions, in offset order, add up to.

    Each transaction is learnt under the model of its own verdict, as it was the first time. Those of the ids `learnt`
    are in the profiles `before` already.
    """
    models = {"warming": EnhancedModel.warming()}
    usable = "SELECT version, body FROM models WHERE detector = 'enhanced' AND format = $1"
    for version, body in await store.pool.fetch(usable, FORMAT):
        models[version] = EnhancedModel.from_bytes(body)
    states = {user: UserState.from_bytes(state) for user, state in before.items()}
    # All of it first: the first score may take longer than PostgreSQL lets a transaction wait.
    for transaction, version, _ in [row async for row in store.in_stored_order()]:
        if transaction.transaction_id in learnt:
            continue
        models[version or ""].score([transaction], states)
    recount = {user: state.to_bytes() for user, state in states.items()}
    found = await store.profiles(sorted(recount), STATE_VERSION)
    return {user for user in recount if recount[user] != found.get(user)}
