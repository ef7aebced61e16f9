"""Keeps the newest models in use: notices when a fit is due, has it made, swaps it in without a restart."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager

import structlog

from detectors.feedback import Feedback
from detectors.models import Models
from detectors.policy import Policy
from domain.engine import FeatureDrift
from domain.transaction import Transaction
from domain.verdict import DetectorChoice, DetectorName, Verdict
from services.console.bus import Bus
from services.models import schedule
from services.models.backfill import backfill
from services.models.feedback import stored_feedback
from services.models.fitter import Fitter
from services.process.supervisor import Worker
from services.store.faults import Transient
from services.store.store import Store

log = structlog.get_logger("models")

LOOK_EVERY = 0.25
RELOAD_EVERY = 5.0
RECOUNT_EVERY = 60.0
LISTEN_EVERY = 3600.0
MOVED = 0.25
"""The population stability index of the score from which traffic is another one than that of the fit."""


class ModelKeeper(Worker):
    """Owns the models that scoring uses; `current` changes between batches only.

    `drift` is how far traffic has moved from what those models were fitted on, the farthest first. While `quiet` is
    entered, nothing of the engine `owner` is scored or committed.
    """

    name = "models"

    def __init__(
        self,
        store: Store,
        dsn: str,
        bus: Bus,
        choice: DetectorChoice,
        policy: Policy,
        alert_rates: Mapping[str, float],
        *,
        owner: str,
        quiet: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        super().__init__()
        self._owner = owner
        self._quiet = quiet
        self._store = store
        self._bus = bus
        self._fitter = Fitter(dsn, choice, policy)
        self._prepared_for = 0
        self._alert_rates = alert_rates
        self._decided = -1
        self._heard_at = 0.0
        self._counted = 0
        self._counted_at_bus = 0
        self.current = schedule.warming(choice)._replace(feedback=Feedback(alert_rates=dict(alert_rates)))
        self.trained_rows = 0
        self.drift: tuple[FeatureDrift, ...] = ()
        self._changed = asyncio.Event()
        self._held = 0

    @property
    def stored(self) -> int:
        """Stored transactions as far as this process knows."""
        return self._counted + self._bus.transactions - self._counted_at_bus

    async def startup(self) -> None:
        """Load what was fitted before."""
        await self.recount()
        await self._reload()
        await self._listen()

    async def main_loop(self) -> None:
        """Look whether a fit is due, and whether another process has made one."""
        reloaded = recounted = time.monotonic()
        while True:
            now = time.monotonic()
            try:
                if now - recounted > RECOUNT_EVERY:
                    recounted = now
                    await self.recount()
                if not self._held and schedule.due(self.stored, self.trained_rows):
                    await self._fit()
                    await self.recount()
                    await self._reload()
                    self._changed.set()
                else:
                    await self._prepare()
                    if now - reloaded > RELOAD_EVERY:
                        reloaded = now
                        await self._reload()
                        await self._listen()
                        self._measure_drift()
                self.degraded = False
                self.beat(self._describe())
            except Transient as error:
                self.degraded = True
                self.beat(f"waiting for PostgreSQL: {error}")
            await asyncio.sleep(LOOK_EVERY)

    async def shutdown(self) -> None:
        """Leave no process behind."""
        await self._fitter.end()

    async def _prepare(self) -> None:
        """Have a process ready for the next fit, once: one that waited for too long has ended by itself."""
        coming = schedule.next_fit(self.trained_rows)
        # Not before the first transaction has been judged: starting up must not share its time with imports.
        soon = self._held or schedule.near(self.stored, self.trained_rows)
        if self._prepared_for < coming and self._bus.transactions and soon:
            self._prepared_for = coming
            await self._fitter.prepare()

    async def until_fit(self) -> int:
        """How many more transactions may be stored before the next fit, after waiting for the one that is due.

        Exact while nothing is being committed.
        """
        with contextlib.suppress(Transient):
            await self.recount()
        while not self._held and schedule.due(self.stored, self.trained_rows):
            self._changed.clear()
            await self._changed.wait()
        if self._held:
            return sys.maxsize
        return schedule.next_fit(self.trained_rows) - self.stored

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Fit nothing meanwhile: what is being stored is to be fitted on as a whole."""
        self._held += 1
        self._changed.set()
        try:
            yield
        finally:
            self._held -= 1

    async def recount(self) -> None:
        """Count what is stored; exact while nothing is being committed, else ahead by at most what is."""
        at_bus = self._bus.transactions
        self._counted, self._counted_at_bus = await self._store.count(), at_bus

    async def _fit(self) -> None:
        stored = self.stored
        self.beat(f"fitting on {stored:,} transactions")
        began = time.monotonic()
        await self._fitter.fit()
        log.info("models fitted", transactions=stored, seconds=round(time.monotonic() - began, 1))

    async def _reload(self) -> None:
        found: dict[DetectorName, tuple[str, int, bytes]] = {}
        for name in self.current.detectors:
            latest = await self._store.latest_model(name)
            if latest is None:
                return
            found[name] = latest
        models = self.current
        if {name: version for name, (version, _, _) in found.items()} != models.versions:
            models = models.fitted({name: body for name, (_, _, body) in found.items()})
        if await self._store.backfill.waiting(tuple(models.detectors)):
            async with self._quiet():
                await self._backfill(models)
                self.current = models
        if models is not self.current:
            self.current = models
            log.info("models in use", **self.current.versions)
        self.trained_rows = min(rows for _, rows, _ in found.values())

    async def _backfill(self, models: Models) -> None:
        count = 0

        def judged(verdicts: list[tuple[Transaction, Verdict]]) -> None:
            nonlocal count
            count += len({transaction.transaction_id for transaction, _ in verdicts})
            self._bus.judged(verdicts)
            self.beat(f"judging what was stored before the first fit: {count:,} transactions")

        await backfill(self._store, self._owner, models, self._alert_rates, judged)
        log.info("judged what was stored before the first fit", transactions=count, **models.versions)

    async def _listen(self) -> None:
        """Take up analysts' newest decisions, and once an hour what has expired of the older ones."""
        newest = await self._store.triage.newest()
        if newest != self._decided or time.monotonic() - self._heard_at > LISTEN_EVERY:
            self._decided, self._heard_at = newest, time.monotonic()
            feedback = await stored_feedback(self._store, self._alert_rates, self._bus.clock.now)
            self.current = self.current._replace(feedback=feedback)

    def _measure_drift(self) -> None:
        found = [
            FeatureDrift(detector=name, feature=feature, psi=psi)
            for name, model in self.current.detectors.items()
            for feature, psi in model.drift().items()
        ]
        self.drift = tuple(sorted(found, key=lambda each: -each.psi))

    def _describe(self) -> str:
        if not self.trained_rows:
            return f"warming up: {self.stored:,} of {schedule.next_fit(0):,} transactions"
        versions = ", ".join(f"{name} {version}" for name, version in self.current.versions.items())
        said = [versions, f"next fit at {schedule.next_fit(self.trained_rows):,}"]
        enhanced, labels = self.current.enhanced, self.current.feedback.labels
        if enhanced is not None and (most := enhanced.ordinary_flagged) is not None:
            moved = next(
                (each.psi for each in self.drift if each.feature == "score" and each.detector == "enhanced"), 0.0
            )
            said.append(
                f"scores have moved (PSI {moved:.2f}): how much of ordinary traffic is flagged is not known"
                if moved > MOVED
                else f"flags at most {most:.1%} of ordinary traffic, while it stays like that of the fit"
            )
        if labels:
            confirmed, rejected = sum(each.confirmed for each in labels), sum(each.rejected for each in labels)
            said.append(f"estimate corrected by {confirmed:,} confirmed and {rejected:,} rejected alerts")
        return "; ".join(said)
