"""The engine, its pool, and units of work: the only place that begins, commits and rolls back.

The pool is SQLAlchemy's. A unit of work speaks to the asyncpg connection below it, because sets of arrays cost less
there than through `text()`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast
from uuid import uuid4

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.config import Pooler
from app.domain.errors import DatabaseUnavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
View: TypeAlias = AsyncConnection
"""What composed reads go through: see `Database.view`."""

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 4.0
POOL_TIMEOUT_SECONDS = 4.0
WORK_SECONDS = 4.0
"""How long the statements of a unit of work may take together."""

COMMIT_SECONDS = 4.0
ROLLBACK_SECONDS = 1.0
LOCK_TIMEOUT_MS = 250
STATEMENT_SECONDS = 20
"""How long a statement stays planned. A plan that was right for a nearly empty table must not outlive it for long."""

ATTEMPTS = 5

# Every statement of a unit is index probes by construction: planned once for any number of keys, and with the plans
# that would read whole tables priced out: an UPDATE FROM unnest of 1,000 keys became a sequential scan otherwise, and
# one that was planned while its table had two rows went through the whole table for each key as long as the plan was
# kept (the price of a tuple is for that). All as one simple query, because poolers refuse these as connection settings.
BEGIN = "; ".join(
    (
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SET LOCAL plan_cache_mode = force_generic_plan",
        "SET LOCAL enable_seqscan = off",
        "SET LOCAL enable_bitmapscan = off",
        "SET LOCAL enable_hashjoin = off",
        "SET LOCAL enable_mergejoin = off",
        "SET LOCAL cpu_tuple_cost = 10",
        "SET LOCAL jit = off",
        f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}",
        f"SET LOCAL statement_timeout = {round(WORK_SECONDS * 1000)}",
    )
)

_STATEMENT_TIMEOUT = text(f"SET LOCAL statement_timeout = {round(WORK_SECONDS * 1000)}")

_RETRIED = {"40001", "40P01", "23505"}
"""Serialization failure, deadlock, unique violation: somebody else was quicker. Do it again."""

_LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"
_SUCCESS_WITH_WARNING = "01000"

_UNAVAILABLE_CLASSES = ("08", "25006", "28", "3D", "53", "57", "58")
"""SQLSTATE classes: connection, nothing can be written (a standby), user or password refused, no such database,
resources (disk full), operator intervention (shutdown), system error."""

_DATA_CLASS = "22"
"""SQLSTATE class of values that can't be taken; the message repeats them."""

_ROLLED_BACK_CLASSES = ("23", "40")
"""SQLSTATE classes that a COMMIT fails with when the unit is certainly not in force."""


class CommitUnconfirmed(Exception):
    """COMMIT was sent, and no answer says that it is in force and safe: the unit may be in force or not."""


class LockHeld(Exception):
    """Somebody else held a lock for longer than a unit of work waits. Nothing was changed."""


class StaleUnit(Exception):
    """What the unit of work relied on has changed under it: it is rolled back and run again."""


class Database:
    """One PostgreSQL: a pool, and the ways to use it."""

    def __init__(self, url: str, *, pooler: Pooler = Pooler.NONE, pool_size: int = 10) -> None:
        connect_args: dict[str, Any] = {
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "max_cached_statement_lifetime": STATEMENT_SECONDS,
            "server_settings": {"application_name": "wallet"},
        }
        if pooler is Pooler.TRANSACTION:
            # Another client's connection may be behind the next transaction: no statement may outlive its own.
            connect_args |= {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: f"wallet_{uuid4().hex}",
            }
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args=connect_args,
            hide_parameters=True,  # errors are logged, and what users sent is not
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` as one unit of work: begin, commit, or roll back on any exception.

        When another unit was quicker (deadlock, lost race for a key), it is run again from the start, a few times.

        Raises:
            DatabaseUnavailable: nothing was changed.
            LockHeld: nothing was changed.
            CommitUnconfirmed: it is not known whether anything was changed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._run_once(work)
            except StaleUnit:
                if attempt == ATTEMPTS:
                    raise DatabaseUnavailable from None
            except asyncpg.PostgresError as error:
                if error.sqlstate == _LOCK_NOT_AVAILABLE:
                    raise LockHeld from error
                if attempt == ATTEMPTS or error.sqlstate not in _RETRIED:
                    raise
            await asyncio.sleep(random.uniform(0, 0.01 * attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    async def _run_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self.connect() as connection:
            driver = await driver_connection(connection)
            try:
                with _terminated_after(WORK_SECONDS, driver):
                    await driver.execute(BEGIN)
                    result = await work(driver)
            except BaseException:
                await self._roll_back(driver)
                raise
            await self._commit(driver)
            return result

    @staticmethod
    async def _commit(driver: Connection) -> None:
        """Commit, and return only when the unit is in force and as safe as the server was told to make it.

        Never with the driver's own time-out and never cancelled: asyncpg would answer either with a cancel request, and
        a wait for a synchronous standby that is cancelled ends in a success with nothing but a warning.
        """
        warnings: list[str] = []
        listener = partial(_note_warning, warnings)
        driver.add_log_listener(listener)
        try:
            with _terminated_after(COMMIT_SECONDS, driver):
                await asyncio.shield(driver.execute("COMMIT"))
            await asyncio.sleep(0)  # the driver calls listeners in the loop's next turn
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_ROLLED_BACK_CLASSES):
                raise
            driver.terminate()
            raise CommitUnconfirmed from error
        except BaseException as error:
            driver.terminate()
            raise CommitUnconfirmed from error
        finally:
            if not driver.is_closed():
                driver.remove_log_listener(listener)
        if _SUCCESS_WITH_WARNING in warnings:
            raise CommitUnconfirmed

    @staticmethod
    async def _roll_back(driver: Connection) -> None:
        if driver.is_closed():
            return
        try:
            with _terminated_after(ROLLBACK_SECONDS, driver):
                await driver.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            driver.terminate()

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a query of one statement on a connection of its own, outside any transaction.

        Raises:
            DatabaseUnavailable: it could not be asked, or did not answer in time.
        """
        async with self.connect() as connection:
            driver = await driver_connection(connection)
            with _terminated_after(WORK_SECONDS, driver):
                return await query(driver)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection whose reads all see one moment. Nothing can be written through it.

        Raises:
            DatabaseUnavailable: it could not be had.
        """
        async with self.connect() as connection:
            driver = await driver_connection(connection)
            await driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield driver
            finally:
                await self._roll_back(driver)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[View]:
        """Lend a connection for composed reads that all see one moment. Nothing can be written through it.

        Raises:
            DatabaseUnavailable: it could not be had, or a read took longer than a statement may.
        """
        async with self.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            await connection.execute(_STATEMENT_TIMEOUT)
            try:
                yield connection
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
                    raise DatabaseUnavailable from error
                raise

    @asynccontextmanager
    async def alone(self, lock: int) -> AsyncIterator[bool]:
        """Tell whether nobody else, in any process, is inside with the same `lock`, and keep others out meanwhile.

        Only to spare work: it ends when the connection does, and nothing may depend on it.

        Raises:
            DatabaseUnavailable: it can't be told.
        """
        async with self.connect() as connection:
            yield bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection of the pool."""
        async with self._errors_translated(), self.engine.connect() as connection:
            yield connection

    @staticmethod
    @asynccontextmanager
    async def _errors_translated() -> AsyncIterator[None]:
        """Turn every form of "the database can't be reached" into one error."""
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, OSError, TimeoutError) as error:
            _take_out_data(error)
            if is_unavailable(error):
                raise DatabaseUnavailable from error
            raise


def _take_out_data(error: Exception) -> None:
    """Leave out of an error's text the row or the value that it is about: it is logged, and what users sent is not."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        error.detail = error.hint = None
        if isinstance(error, ValueError) or (getattr(error, "sqlstate", None) or "").startswith(_DATA_CLASS):
            error.args = ("a value that the database can't take",)


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - SQLAlchemy's event
    """Keep the pool from lending a connection whose other end has gone; all older ones are dropped with it."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


@contextmanager
def _terminated_after(seconds: float, driver: Connection) -> Iterator[None]:
    """Cut the connection when what runs on it takes longer: the only end that sends the server nothing."""
    watchdog = asyncio.get_running_loop().call_later(seconds, driver.terminate)
    try:
        yield
    finally:
        watchdog.cancel()


def _note_warning(warnings: list[str], _connection: object, message: asyncpg.PostgresLogMessage) -> None:
    warnings.append(str(message.sqlstate))


async def create_database(server_url: str, name: str) -> None:
    """Make the database `name` on a server, unless it is there."""
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            if await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}) is None:
                await connection.execute(text(f'CREATE DATABASE "{name}"'))
    finally:
        await engine.dispose()


async def driver_connection(connection: AsyncConnection) -> Connection:
    """Return the asyncpg connection below SQLAlchemy's."""
    raw = await connection.get_raw_connection()
    return cast("Connection", raw.driver_connection)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether `error` means that the database can't be reached or can't work, rather than that we erred."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or (cause is not None and is_unavailable(cause))
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_UNAVAILABLE_CLASSES) and error.sqlstate != "57014"
    if isinstance(error, ValueError):  # asyncpg's DataError is an InterfaceError too, and our own mistake
        return False
    return isinstance(error, asyncpg.InterfaceError | OSError | TimeoutError | PoolTimeout)
