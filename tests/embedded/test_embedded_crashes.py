"""What a crash leaves behind, and that the next start copes with it."""

import asyncio
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import asyncpg
import pytest

import app.embedded_postgres
from app.embedded_postgres import EmbeddedPostgres
from tests.embedded.harness import IS_ROOT, Launcher, Place, ask, eventually, is_alive, server_pid

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a server that its launcher died")
ENDLESS = "DO $$ BEGIN LOOP END LOOP; END $$"
PR_SET_CHILD_SUBREAPER = 36


def check_that_it_starts(place: Place) -> None:
    launcher = place.launch()
    assert ask(launcher.url(), "SELECT 1") == 1
    assert launcher.finish() == 0


def run_endless_statement(url: str) -> "subprocess.Popen[bytes]":
    """Keep a connection too busy to notice anything, from a process of its own, and return when it is."""
    program = f"import asyncio, asyncpg\nasyncio.run(asyncpg.connect({url.replace('+asyncpg', '')!r}, command_timeout=None))"
    raise NotImplementedError(program)


@needs_linux
def test_a_server_ends_when_its_launcher_is_killed(each_place: Place) -> None:
    launcher = each_place.launch()
    launcher.url()
    pid = server_pid(each_place.home)
    launcher.kill()
    eventually(lambda: not is_alive(pid))
