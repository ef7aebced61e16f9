"""The sources of the release before the newest migration, and profiles that two releases learnt in turn."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from detectors.enhanced import EnhancedModel
from detectors.formats import FORMAT, STATE_VERSION
from detectors.state import UserState
from domain.transaction import Transaction
from services.records import wire
from services.store import schema
from services.store.store import Store

ROOT = Path(__file__).parents[2]


def before_the_newest_migration(folder: Path) -> Path:
    """Unpack the sources of the commit before the newest migration there, and other packages if they need them.

    Skips the test where they cannot be had.
    """
    newest = schema.migrations()[-1].version
    (migration,) = (ROOT / "services" / "store" / "migrations").glob(f"{newest:04}_*.sql")
    made_by = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(migration.relative_to(ROOT)))
    if not made_by or not _git("rev-parse", "--verify", "--quiet", f"{made_by}~1"):
        pytest.skip("the commit before the newest migration is not in this checkout")
    archive = subprocess.run(("git", "archive", f"{made_by}~1"), cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(("tar", "x", "-C", folder), input=archive, check=True)
    last = max(file.name for file in (folder / migration.relative_to(ROOT).parent).glob("*.sql"))
    if not last.startswith(f"{newest - 1:04}_"):
        pytest.skip(f"the commit before the newest migration lacks others too: its last is {last}")
    needed = folder / "requirements.txt"
    if needed.read_bytes() != (ROOT / needed.name).read_bytes():
        uv = Path(sys.executable).with_name("uv")
        install = (uv, "pip", "install", "--quiet", "--target", folder, "--require-hashes", "-r", needed)
        if subprocess.run(install, check=False).returncode != 0:
            pytest.skip("the packages of the release before the newest migration cannot be had here")
    return folder


def _git(*arguments: str) -> str:
    """What git says, nothing where it fails."""
    done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


class Learnt(NamedTuple):
    """Transactions of one user that one version of the model learnt from, one after another."""

    version: str
    transactions: tuple[Transaction, ...]


LEARN = """
import sys
import msgspec
from detectors.enhanced import EnhancedModel
from detectors.state import UserState
from services.records import wire

body, rows, states = msgspec.msgpack.decode(sys.stdin.buffer.read())
model = EnhancedModel.warming() if body is None else EnhancedModel.from_bytes(body)
states = {user: UserState.from_bytes(state) for user, state in states.items()}
model.score([wire.decode(row) for row in rows], states)
sys.stdout.buffer.write(msgspec.msgpack.encode({user: state.to_bytes() for user, state in states.items()}))
"""


def _learn_there(code: Path, body: bytes | None, rows: Sequence[Transaction], states: dict[str, bytes]) -> Any:
    given = msgspec.msgpack.encode((body, [wire.encode(row) for row in rows], states))
    # -P: where the tests run from, these sources lie.
    command = (sys.executable, "-P", "-c", LEARN)
    done = subprocess.run(command, input=given, env={"PYTHONPATH": str(code)}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.msgpack.decode(done.stdout)


async def wrong_profiles(store: Store, code: Path) -> set[str]:
    """Users whose profile is not what their transactions add up to, each learnt by the release that judged it.

    What a model of another format judged is learnt by the sources in `code`, the rest by these.
    """
    models: dict[str, tuple[int, bytes | None]] = {"warming": (FORMAT, None)}
    for version, of, body in await store.pool.fetch(
        "SELECT version, format, body FROM models WHERE detector = 'enhanced'"
    ):
        models[version] = (of, body)
    of_user: dict[str, list[tuple[str, Transaction]]] = {}
    async for transaction, version, _ in store.in_stored_order():
        of_user.setdefault(transaction.user_id, []).append((version or "warming", transaction))
    runs = {
        user: [Learnt(version, tuple(row for _, row in run)) for version, run in groupby(rows, key=lambda row: row[0])]
        for user, rows in of_user.items()
    }
    states: dict[str, bytes] = {}
    while any(runs.values()):
        turn = {user: left.pop(0) for user, left in runs.items() if left}
        for version in {run.version for run in turn.values()}:
            users = [user for user, run in turn.items() if run.version == version]
            rows = [row for user in users for row in turn[user].transactions]
            known = {user: states[user] for user in users if user in states}
            of, body = models[version]
            if of == FORMAT:
                model = EnhancedModel.warming() if body is None else EnhancedModel.from_bytes(body)
                decoded = {user: UserState.from_bytes(state) for user, state in known.items()}
                model.score(rows, decoded)
                states |= {user: state.to_bytes() for user, state in decoded.items()}
            else:
                states |= _learn_there(code, body, rows, known)
    found = await store.profiles(sorted(states), STATE_VERSION)
    return {user for user in states if states[user] != found.get(user)}
