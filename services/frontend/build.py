"""Building the web frontend: once for each state of its sources, in the cache folder, never beside the sources."""

import asyncio
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from services.process.children import end, spawn_family
from services.process.claim import claim
from services.frontend.errors import FrontendError
from services.frontend.node import ADVICE, Node

Progress = Callable[[str], None]

SERVER = "server.js"
_KEPT = 3
_DISCARDED = "discarded-"
_STEP_WITHIN = 900.0
_NO_SOURCES = {
    "README.md",
    "eslint.config.mjs",
    "next-env.d.ts",
    "node_modules",
    "playwright.config.ts",
    "tests",
    "vitest.config.mts",
}


def sources() -> Path:
    """The folder of the sources: beside this module in a wheel, at the top of a checkout otherwise."""
    packaged = Path(__file__).with_name("app")
    return packaged if packaged.exists() else Path(__file__).parents[2] / "frontend"


def fingerprint(source: Path) -> str:
    """A hash of everything that a build is made of, the lock of its packages included."""
    found = hashlib.sha256()
    for file in _files(source):
        content = file.read_bytes()
        found.update(f"{file.relative_to(source).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:16]


async def built(source: Path, node: Node, cache_dir: Path, progress: Progress) -> Path:
    """The folder of the built frontend with its server.js, made now unless these sources were built before.

    `progress` is called every second with the current step. Of several processes one builds, and the others wait for it. A build
    that fails leaves nothing but its log. The builds used last are kept, the others deleted.

    Raises: FrontendError.
    """
    if not (source / "package-lock.json").is_file():
        raise FrontendError(
            f"The web frontend is not part of this installation ({source} is missing): install anomaly-tui from its wheel, "
            "or serve the pages from elsewhere with `anomaly-tui run-frontend --api-url`."
        )
    home = cache_dir / "frontend"
    folder = home / await asyncio.to_thread(fingerprint, source)
    try:
        if not (folder / SERVER).is_file():
            home.mkdir(parents=True, exist_ok=True)
            with await claim(
                home / "lock",
                lambda seconds: progress(f"waiting for the build of another process, {seconds:.0f} s"),
            ):
                if not (folder / SERVER).is_file():
                    await _build(source, node, folder, progress)
                    await asyncio.to_thread(_prune, home)
        os.utime(folder)
    except OSError as error:
        raise FrontendError(f"Cannot build the web frontend in {home}: {error}.") from error
    return folder


def _files(source: Path) -> list[Path]:
    kept = (name for name in sorted(source.iterdir()) if name.name not in _NO_SOURCES)
    files = (file for name in kept for file in ([name] if name.is_file() else sorted(name.rglob("*"))))
    return [file for file in files if file.is_file() and not _hidden(file.relative_to(source))]


def _hidden(path: Path) -> bool:
    """Whether it is nobody's source: output of tools, caches, local settings."""
    return path.suffix == ".tsbuildinfo" or any(part.startswith(".") and part != ".npmrc" for part in path.parts)


async def _build(source: Path, node: Node, folder: Path, progress: Progress) -> None:
    if node.npm is None:
        raise FrontendError(f"{node.executable} came without npm, which builds the web frontend: {ADVICE}")
    work, log = folder.parent / "building", folder.parent / "build.log"
    await asyncio.to_thread(_prepare, source, work)
    log.unlink(missing_ok=True)
    try:
        # Our packages need no scripts of their own to be installed, so none is run; linters and tests stay away.
        install = ("ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
        await _step("installing packages", (*node.npm, *install), node, work, log, progress)
        await _step("building", (*node.npm, "run", "build"), node, work, log, progress)
        await asyncio.to_thread(_assemble, work, folder)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, work, True)
        raise
    _discard(work)


def _discard(work: Path) -> None:
    """Delete the folder while others go on: it has some 400 MB in thousands of files. The next build deletes the rest."""
    rubbish = Path(tempfile.mkdtemp(prefix=_DISCARDED, dir=work.parent))
    work.rename(rubbish)
    threading.Thread(target=shutil.rmtree, args=(rubbish, True), daemon=True).start()


def _prepare(source: Path, work: Path) -> None:
    """Copy the sources to where they are built, in place of what a build that was killed has left there."""
    for left in (work, *work.parent.glob(f"{_DISCARDED}*")):
        shutil.rmtree(left, ignore_errors=True)
    for file in _files(source):
        target = work / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


async def _step(name: str, command: tuple[str, ...], node: Node, work: Path, log: Path, progress: Progress) -> None:
    said: deque[str] = deque(maxlen=400)
    process = await spawn_family(
        *command,
        cwd=work,
        env=node.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None

    async def listen(output: asyncio.StreamReader) -> None:
        with log.open("ab") as kept:
            while piece := await output.read(65536):
                kept.write(piece)
                kept.flush()
                said.extend(piece.decode(errors="replace").splitlines())

    began = time.monotonic()
    progress(f"{name}, 0 s")
    listening = asyncio.create_task(listen(process.stdout))
    try:
        async with asyncio.timeout(_STEP_WITHIN):
            while not (await asyncio.wait({listening}, timeout=1.0))[0]:
                progress(f"{name}, {time.monotonic() - began:.0f} s")
            await process.wait()
    except TimeoutError:
        raise FrontendError(
            f"The web frontend: {name} took more than {_STEP_WITHIN / 60:.0f} minutes; its output is in {log}."
        ) from None
    finally:
        await end(process, 1.0)
        listening.cancel()
    if process.returncode != 0:
        raise FrontendError(f"The web frontend: {name} failed: {_gist(said)} All it said is in {log}.")


def _gist(said: deque[str]) -> str:
    """The line that says best what went wrong."""
    lines = [line.strip() for line in said if line.strip()]
    wanted = ("npm error", "npm ERR!", "Error:", "Type error:", "⨯")
    matching = [line for line in lines if line.startswith(wanted)]
    # npm says first a code, then what it means; its last lines only name its log.
    best = (matching[1] if len(matching) > 1 and " code " in matching[0] else matching[0]) if matching else (lines or ["it said nothing"])[-1]
    return best.removeprefix("npm error ").rstrip(".")[:200] + "."


def _assemble(work: Path, folder: Path) -> None:
    """Put what the server needs together, and in one step where it is looked for."""
    made = work / ".next" / "standalone"
    if not (made / SERVER).is_file():
        raise FrontendError(f"The web frontend: the build made no {SERVER}.")
    for name, target in ((work / ".next" / "static", made / ".next" / "static"), (work / "public", made / "public")):
        if name.is_dir() and not target.exists():
            target.parent.mkdir(exist_ok=True)
            name.rename(target)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _prune(home: Path) -> None:
    builds = [path.parent for path in home.glob(f"*/{SERVER}") if not path.parent.name.startswith(_DISCARDED)]
    for old in sorted(builds, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
