"""A small site that is built, started and watched as the web frontend is, in a fraction of the time."""

import json
import os
import stat
from pathlib import Path

import psutil

BUILD = """\
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
if (process.env.NEVER_DONE) {
  writeFileSync(process.env.NEVER_DONE, String(process.pid))
  setInterval(() => {}, 1000)
} else {
  mkdirSync('.next/standalone/.next', { recursive: true })
  mkdirSync('.next/static', { recursive: true })
  writeFileSync('.next/static/app.js', '')
  cpSync('server.js', '.next/standalone/server.js')
}
"""
SERVER = """\
const { createServer } = require('node:http')
const server = createServer((request, answer) => {
  if (request.url === '/healthz') answer.end('{}')
  else {
    const { ANOMALY_TUI_API: api, ANOMALY_TUI_API_TOKEN: token, DATABASE_URL: secret = null } = process.env
    answer.end(JSON.stringify({ api, token, secret }))
  }
})
server.listen(Number(process.env.PORT), process.env.HOSTNAME, () => console.log('listening \\u001b[31mred'))
process.once('SIGTERM', () => process.exit(0))
if (process.env.ANOMALY_TUI_EXIT_WITH_STDIN === '1') {
  process.stdin.once('end', () => process.exit(0))
  process.stdin.resume()
}
"""


def write_site(folder: Path) -> Path:
    """The sources of a site without packages; `npm ci` and `npm run build` work on them."""
    folder.mkdir(parents=True)
    package = {"name": "site", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}
    lock = {"name": "site", "version": "1.0.0", "lockfileVersion": 3, "requires": True}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(
        json.dumps({**lock, "packages": {"": {"name": "site", "version": "1.0.0"}}})
    )
    (folder / "build.mjs").write_text(BUILD)
    (folder / "server.js").write_text(SERVER)
    return folder


def write_program(folder: Path, name: str, script: str) -> None:
    """A program `name` in `folder`, from a shell script."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def path_with(folder: Path) -> str:
    """The PATH with `folder` before everything else."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def gone(pid: int) -> bool:
    """Whether the process has ended; nobody need have asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
