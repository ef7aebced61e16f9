"""The simulator beside an engine."""

from pathlib import Path

import pytest

from domain.engine import WorkerState, WorkerStatus
from services.commands.produce import not_beside_another
from services.errors import UserError
from services.process.lock import EngineLock
from services.settings import load
from tests.integration.attach.host import host
from tests.tui.fake_port import NOON, FakePort


@pytest.mark.parametrize(("state", "refused"), [("running", True), ("starting", True), ("stopped", False)])
async def test_it_is_refused_beside_an_engine_that_simulates(tmp_path: Path, state: WorkerState, refused: bool) -> None:
    settings = load({"data_dir": tmp_path}).settings
    await not_beside_another(settings)
    async with host() as here:
        engine = FakePort()
        engine.changes["workers"] = (WorkerStatus(name="producer", state=state, detail="", last_error="", since=NOON),)
        await here.serve(engine)
        lock = EngineLock(tmp_path)
        lock.acquire()
        try:
            lock.describe(broker="embedded", bootstrap="127.0.0.1:5", socket=str(here.runtime.socket))
            if refused:
                with pytest.raises(UserError, match="--no-simulate"):
                    await not_beside_another(settings)
            else:
                await not_beside_another(settings)
        finally:
            lock.release()
