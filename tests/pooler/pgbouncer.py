"""A pgbouncer in transaction mode before the tests' server, with so few connections that clients share them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy.engine import make_url

from app.database_url import APPLICATION
from app.embedded_postgres import OWNER, SOCKET_NAME
from app.server_home import server_account
from app.server_processes import end_with_launcher

CLIENTS_MAX = 300
SERVER_CONNECTIONS = 4
"""To each database: fewer than one service has clients, so that a statement that outlives its transaction is met."""

READY_SECONDS = 10
END_SECONDS = 5

_PORT = SOCKET_NAME.rsplit(".", 1)[1]
_INI = """\
[databases]
* = host={upstream} port={port}

[pgbouncer]
pool_mode = transaction
default_pool_size = {server_connections}
max_client_conn = {clients_max}
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {folder}/users
log_connections = 0
log_disconnections = 0
"""


def pgbouncer_program() -> str | None:
    """Return the program's path, None when it is not installed; it may lie where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


class PgBouncer:
    """Listens on a unix socket in a folder of its own, as the server does: only the host in a URL tells them apart."""

    def __init__(self, server_url: str) -> None:
        self._server = make_url(server_url)
        self._account = server_account("nobody") if os.geteuid() == 0 else None  # whose server it is, then
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-pooler-"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it accepts.

        Raises:
            RuntimeError: it ended or did not accept in time; the message is what it said.
        """
        try:
            self._write_configuration()
            self._process = self._launch()
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it at once and remove its folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, url: str) -> str:
        """Return the way through the pooler to the database of `url`."""
        return make_url(url).update_query_dict({"host": str(self._folder)}).render_as_string(hide_password=False)

    def _write_configuration(self) -> None:
        configuration = _INI.format(
            upstream=self._server.query["host"],
            port=_PORT,
            server_connections=SERVER_CONNECTIONS,
            clients_max=CLIENTS_MAX,
            folder=self._folder,
        )
        users = "".join(f'"{role}" "{self._server.password}"\n' for role in (OWNER, APPLICATION))
        (self._folder / "pgbouncer.ini").write_text(configuration)
        (self._folder / "users").write_text(users)
        if self._account:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._account.uid, self._account.gid)

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                [pgbouncer_program() or "pgbouncer", self._folder / "pgbouncer.ini"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self._account.uid if self._account else None,
                group=self._account.gid if self._account else None,
                extra_groups=[] if self._account else None,
                start_new_session=True,
                preexec_fn=end_with_launcher(),  # noqa: PLW1509 - one system call
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _accepts(self._folder / SOCKET_NAME):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.01)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
