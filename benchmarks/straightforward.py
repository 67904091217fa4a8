"""The same four calls, built the straightforward way: what the service is compared with, and nothing else.

A session for each request, the user's and the Treasury's account rows locked FOR UPDATE, the balance as the SUM of the
ledger's entries. Where there was a choice, the faster one was taken: what looks slow here is the design, not the code.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

TREASURY = "system:treasury"
ASSETS = ((1, "GOLD", "Gold Coins"), (2, "DMND", "Diamonds"), (3, "PTS", "Loyalty Points"))
POOL_SIZE = 10
NOTHING = Decimal("0.00")

Money = Annotated[Decimal, mapped_column(Numeric(20, 2))]


class Base(DeclarativeBase):
    pass


class AssetType(Base):
    __tablename__ = "asset_types"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    external_user_id: Mapped[str] = mapped_column(unique=True)


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("user_id", "asset_type_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    asset_type_id: Mapped[int] = mapped_column(ForeignKey("asset_types.id"))


class Transaction(Base):
    __tablename__ = "transactions"
    __table_args__ = (UniqueConstraint("account_id", "idempotency_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    type: Mapped[str]
    amount: Mapped[Money]
    idempotency_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    entries: Mapped[list["Entry"]] = relationship()


class Entry(Base):
    __tablename__ = "ledger_entries"
    __table_args__ = (Index("ix_ledger_entries_account_id", "account_id", postgresql_include=["amount"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("transactions.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[Money]


class WriteRequest(BaseModel):
    amount: Decimal = Field(gt=0, max_digits=18, decimal_places=2)
    asset_type_id: int
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)


class WriteResponse(BaseModel):
    transaction_id: UUID
    new_balance: Decimal


class BalanceResponse(BaseModel):
    account_id: int | None
    asset_type_id: int
    balance: Decimal


@dataclass(frozen=True)
class Write:
    """One of the three writes: `sign` is what it does to the user's account."""

    type: str
    sign: int


TOP_UP, BONUS, SPEND = Write("top_up", +1), Write("bonus", +1), Write("spend", -1)


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session: TypeAlias = Annotated[AsyncSession, Depends(_session)]


def create_app() -> FastAPI:
    """Build the application. DATABASE_URL says where its tables are; POOL_SIZE how many connections it keeps."""
    application = FastAPI(lifespan=_lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})
    base = "/api/v1/wallets/users/{external_user_id}"
    application.get(f"{base}/balance")(get_balance)
    application.post(f"{base}/top-up")(top_up)
    application.post(f"{base}/bonus")(bonus)
    application.post(f"{base}/spend")(spend)
    return application


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    pool_size = int(os.environ.get("POOL_SIZE", POOL_SIZE))
    engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=pool_size, max_overflow=0)
    async with engine.begin() as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(1)))  # several processes start at once
        await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(connection) as session:
            await _seed(session)
    application.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


async def _seed(session: AsyncSession) -> None:
    if await session.get(AssetType, ASSETS[0][0]) is not None:
        return
    session.add_all(AssetType(id=number, code=code, name=name) for number, code, name in ASSETS)
    treasury = User(external_user_id=TREASURY)
    session.add(treasury)
    await session.flush()
    session.add_all(Account(user_id=treasury.id, asset_type_id=number) for number, _, _ in ASSETS)
    await session.commit()


async def get_balance(session: Session, external_user_id: str, asset_type_id: int) -> BalanceResponse:
    """What a user has."""
    query = (
        select(Account.id, func.coalesce(func.sum(Entry.amount), NOTHING))
        .join(User, User.id == Account.user_id)
        .outerjoin(Entry, Entry.account_id == Account.id)
        .where(User.external_user_id == external_user_id, Account.asset_type_id == asset_type_id)
        .group_by(Account.id)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        await _user_id(session, external_user_id, asset_type_id)
        return BalanceResponse(account_id=None, asset_type_id=asset_type_id, balance=NOTHING)
    account_id, balance = found
    return BalanceResponse(account_id=account_id, asset_type_id=asset_type_id, balance=balance)


async def top_up(session: Session, external_user_id: str, body: WriteRequest) -> WriteResponse:
    """Give credits that were bought."""
    return await _write(session, TOP_UP, external_user_id, body)


async def bonus(session: Session, external_user_id: str, body: WriteRequest) -> WriteResponse:
    """Give credits for free."""
    return await _write(session, BONUS, external_user_id, body)


async def spend(session: Session, external_user_id: str, body: WriteRequest) -> WriteResponse:
    """Take credits; 402 when they do not suffice."""
    return await _write(session, SPEND, external_user_id, body)


async def _write(session: AsyncSession, write: Write, external_user_id: str, body: WriteRequest) -> WriteResponse:
    account = await _locked_account(session, external_user_id, body.asset_type_id)
    if body.idempotency_key is not None:
        earlier = await _earlier(session, account.id, body.idempotency_key)
        if earlier is not None:
            return await _replay(session, earlier, write, body.amount)
    balance = await _balance(session, account.id)
    if write.sign < 0 and balance < body.amount:
        raise HTTPException(402, "insufficient funds")
    # The Treasury last: everybody waits for this row, so it is held for as short as possible.
    treasury = await _locked_account(session, TREASURY, body.asset_type_id)
    transaction = _append(session, write, account, treasury, body)
    await session.commit()
    return WriteResponse(transaction_id=transaction.id, new_balance=balance + write.sign * body.amount)


def _append(
    session: AsyncSession, write: Write, account: Account, treasury: Account, body: WriteRequest
) -> Transaction:
    change = write.sign * body.amount
    transaction = Transaction(
        id=uuid4(),
        account_id=account.id,
        type=write.type,
        amount=body.amount,
        idempotency_key=body.idempotency_key,
        entries=[Entry(account_id=account.id, amount=change), Entry(account_id=treasury.id, amount=-change)],
    )
    session.add(transaction)
    return transaction


async def _locked_account(session: AsyncSession, external_user_id: str, asset_type_id: int) -> Account:
    """Lock the account, after making it when the user has none of this kind yet."""
    query = (
        select(Account)
        .join(User, User.id == Account.user_id)
        .where(User.external_user_id == external_user_id, Account.asset_type_id == asset_type_id)
        .with_for_update(of=Account)
    )
    account = await session.scalar(query)
    if account is None:
        user_id = await _user_id(session, external_user_id, asset_type_id)
        new = insert(Account).values(user_id=user_id, asset_type_id=asset_type_id).on_conflict_do_nothing()
        await session.execute(new)
        account = (await session.scalars(query)).one()
    return account


async def _user_id(session: AsyncSession, external_user_id: str, asset_type_id: int) -> int:
    """Return the user's id, or answer 404 when there is no such user or asset type."""
    if await session.get(AssetType, asset_type_id) is None:
        raise HTTPException(404, "unknown asset type")
    user_id = await session.scalar(select(User.id).where(User.external_user_id == external_user_id))
    if user_id is None:
        raise HTTPException(404, "unknown user")
    return user_id


async def _balance(session: AsyncSession, account_id: int) -> Decimal:
    total = select(func.coalesce(func.sum(Entry.amount), NOTHING)).where(Entry.account_id == account_id)
    return (await session.scalars(total)).one()


async def _earlier(session: AsyncSession, account_id: int, key: str) -> Transaction | None:
    return await session.scalar(
        select(Transaction).where(Transaction.account_id == account_id, Transaction.idempotency_key == key)
    )


async def _replay(session: AsyncSession, earlier: Transaction, write: Write, amount: Decimal) -> WriteResponse:
    if (earlier.type, earlier.amount) != (write.type, amount):
        raise HTTPException(422, "this key was used for another request")
    balance = await _balance(session, earlier.account_id)
    return WriteResponse(transaction_id=earlier.id, new_balance=balance)
