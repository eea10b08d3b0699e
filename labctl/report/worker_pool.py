"""Where independent jobs are carried out: in processes of this machine, or by the workers of a Dask scheduler.

A worker that dies loses no job and doubles none: what it held is begun again, a few times each. Both ways give the same bytes,
since a job's result follows from its item alone.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from labctl import __version__
from labctl.errors import LabctlError, UsageError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE: Final = 3  # times that a job is begun whose process dies
ANSWER_WITHIN: Final = 10  # s that a scheduler has to answer, and to come back
ASKED: Final = 20  # times that workers are asked while the line of one breaks
ASKED_EVERY: Final = 0.5  # s
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """A place where jobs are carried out.

    Attributes:
        opened: Gives an executor for at most so many jobs at a time.
        died: What a job raises whose worker died.
        patience: Times that such a job is begun.
        shares_disk: The workers see the files that this process sees.
        where: In words, for messages.
    """

    opened: Callable[[int], AbstractContextManager[Executor]]
    died: type[Exception]
    patience: int
    shares_disk: bool
    where: str


def pool_of(scheduler: str, workers: int) -> WorkerPool:
    """Return what a person has asked for: the workers of a scheduler, or so many processes of this machine.

    Raises:
        UsageError: Both, or no address of a scheduler.
    """
    if scheduler and workers:
        raise UsageError(
            "wanted --workers or --scheduler, found both: a scheduler has the workers that are connected to it"
        )
    return cluster(scheduler) if scheduler else processes(workers)


def processes(workers: int = 0) -> WorkerPool:
    """Return a pool of processes of this machine; one for each core where `workers` is 0."""
    most = workers or os.cpu_count() or 1

    def opened(jobs: int) -> AbstractContextManager[Executor]:
        return ProcessPoolExecutor(max_workers=max(1, min(most, jobs)))

    return WorkerPool(opened, BrokenProcessPool, PATIENCE, shares_disk=True, where="this machine")


def cluster(address: str) -> WorkerPool:
    """Return the workers of a Dask scheduler.

    Args:
        address: `tcp://HOST:PORT` on this machine, `tls://HOST:PORT` elsewhere; keys and certificates are taken from Dask's own
            configuration (`distributed.comm.tls`).

    Raises:
        UsageError: It is no such address, or would go unencrypted to another machine: a scheduler's workers execute what they
            are sent, so whoever reaches it is let in.
        LabctlError: Dask is not installed.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"tcp", "tls"} or not parts.hostname or not parts.port:
        raise UsageError(f"--scheduler: wanted tcp://HOST:PORT or tls://HOST:PORT, found {address!r}")
    if parts.scheme == "tcp" and parts.hostname not in LOOPBACK:
        raise UsageError(
            f"--scheduler: wanted tls:// to another machine, found {address}: the workers of a scheduler execute what they are "
            "sent, whoever sends it; Dask's documentation of `distributed.comm.tls` says how to encrypt"
        )
    try:
        from distributed import KilledWorker  # noqa: PLC0415 - an extra, and half a second
    except ImportError:
        raise LabctlError('--scheduler: wanted Dask, found it missing; pip install "labctl[cluster]"') from None
    return WorkerPool(
        lambda _: _scheduler(address), KilledWorker, 1, shares_disk=False, where=address
    )  # Dask begins it again itself


@contextmanager
def _scheduler(address: str) -> Iterator[Executor]:
    """Give an executor on a scheduler whose workers run this version of labctl, each on one core.

    Raises:
        LabctlError: Nobody answers there, there is no worker, or one of another version.
    """
    import dask  # noqa: PLC0415 - an extra, and half a second
    from distributed import Client  # noqa: PLC0415

    dask.config.set({"distributed.comm.timeouts.connect": ANSWER_WITHIN})
    try:
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False)  # type: ignore[no-untyped-call, unused-ignore]
    except OSError as error:
        raise LabctlError(
            f"{address}: wanted a Dask scheduler, found none: {error}; `dask scheduler` starts one"
        ) from None
    with client:
        facts = facts_of(client, address)
        if not facts:
            raise LabctlError(f"{address}: wanted workers, found none; `dask worker {address}` starts one")
        for worker, (version, threads) in facts.items():
            if version != __version__:
                raise LabctlError(
                    f"{address}: wanted labctl {__version__} on every worker, found {version or 'none'} on {worker}"
                )
            if threads != "1":
                raise LabctlError(
                    f"{address}: wanted OMP_NUM_THREADS=1 on every worker, found {threads or 'nothing'} on {worker}: "
                    "threads of a linear algebra library take each other's cores"
                )
        with client.get_executor(pure=False) as executor:  # type: ignore[no-untyped-call, unused-ignore]
            yield executor


def facts_of(client: "Client", address: str) -> dict[str, tuple[str, str]]:
    """Return the `worker_facts` of every worker of a scheduler, by the worker's address.

    One whose line breaks is asked again, since it may live and be given work: none goes unasked. One that has died is soon
    forgotten by the scheduler.

    Raises:
        LabctlError: A worker is listed and does not answer.
    """
    for left in reversed(range(ASKED)):
        told = client.run(worker_facts, on_error="return")
        for fact in told.values():
            if isinstance(fact, Exception) and not isinstance(fact, OSError):
                raise fact
        silent = [worker for worker, fact in told.items() if isinstance(fact, OSError)]
        if not silent:
            return dict(told)
        if left:
            time.sleep(ASKED_EVERY)
    raise LabctlError(f"{address}: wanted an answer of every worker, found none of {', '.join(silent)}")


def worker_facts() -> tuple[str, str]:
    """Return the version of labctl of this process, and how many threads its linear algebra may use."""
    return __version__, os.environ.get("OMP_NUM_THREADS", "")


def carried_out(
    pool: WorkerPool, job: Callable[[Item], Result], items: Mapping[int, Item], what: str
) -> Iterator[tuple[int, Result]]:
    """Give the number and result of each item as it is done.

    Args:
        pool: Who does it.
        job: A function that a process can be sent.
        items: By number.
        what: An item in words, for messages.

    Raises:
        LabctlError: The worker of an item died each time, or the pool went away; what a job raises comes through.
    """
    tries = dict.fromkeys(items, 0)
    while tries:
        with pool.opened(len(tries)) as executor:
            waiting: dict[Future[Result], int] = {}
            for number in tries:
                tries[number] += 1
                waiting[executor.submit(job, items[number])] = number
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    number = waiting.pop(future)
                    try:
                        result = future.result()
                    except pool.died:
                        if tries[number] < pool.patience:
                            continue
                        raise LabctlError(
                            f"{what} {number} was begun again and again on {pool.where}, and its worker died each time"
                        ) from None
                    except CancelledError:
                        raise LabctlError(f"{pool.where} went away before {what} {number} was done") from None
                    del tries[number]
                    yield number, result
