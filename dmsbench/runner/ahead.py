"""Pictures made in worker processes, ahead of the model that waits for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

from dmsbench.corruption_settings import Applied
from dmsbench.data.base import Drawn
from dmsbench.errors import DmsbenchError
from dmsbench.grid import View
from dmsbench.runner.views import ImageView, Views, clean_image, corrupted_image

#: Pictures a task: enough that handing it over costs little, few enough that all workers have one.
TASK = 8
#: Tasks that are under way or waiting to be fetched, for each worker: what bounds the memory.
TASKS_A_WORKER = 3

Key = tuple[str, View]


@dataclass(frozen=True, slots=True)
class Order:
    """A picture to be made, complete: a worker knows nothing else."""

    seed: int
    group: str
    view: View
    image: Path | Drawn
    how: Applied


@dataclass(slots=True)
class _Task:
    orders: tuple[Order, ...]
    future: Future[list[ImageView]]


class Ahead:
    """Makes the views that ``expect`` names and hands each out once, by ``take``.

    The same function makes them as without workers, so that not a pixel hangs on their number. A worker that
    dies costs nothing but time; a picture that kills whoever makes it becomes an error of its own.
    """

    def __init__(self, workers: int, views: Views) -> None:
        self.workers = workers
        self._views = views
        self._pool: ProcessPoolExecutor | None = None
        self._queue: deque[tuple[int, tuple[Order, ...]]] = deque()
        self._tasks: dict[Key, _Task] = {}
        self._ready: dict[Key, ImageView] = {}
        self._of: dict[int, list[Key]] = {}
        self._ticket = 0

    def expect(self, groups: Iterable[str], view: View) -> int:
        """Has these groups' images made under a view, in this order; returns a ticket for ``drop``."""
        self._ticket += 1
        keys = [(group, view) for group in groups if self._views.is_made_alone(view)]
        self._of[self._ticket] = keys
        orders = [
            Order(self._views.seed, group, view, self._views.dataset.image_of(group), self._views.how(view))
            for group, view in keys
        ]
        for start in range(0, len(orders), TASK):
            self._queue.append((self._ticket, tuple(orders[start : start + TASK])))
        self._submit()
        return self._ticket

    def take(self, group: str, view: View) -> ImageView | None:
        """An expected view, None where it is not (yet) under way: it is quicker made at once."""
        key = group, view
        task = self._tasks.get(key)
        if task is not None:
            for order, made in zip(task.orders, self._made(task), strict=True):
                self._tasks.pop((order.group, order.view), None)
                self._ready[order.group, order.view] = made
        found = self._ready.pop(key, None)
        self._submit()
        return found

    def drop(self, ticket: int) -> None:
        """Forgets what was expected by a ticket and has not been taken."""
        for key in self._of.pop(ticket, ()):
            self._ready.pop(key, None)
            task = self._tasks.pop(key, None)
            if task is not None:
                task.future.cancel()
        self._queue = deque(entry for entry in self._queue if entry[0] != ticket)
        self._submit()

    def close(self) -> None:
        """Ends the workers."""
        self._queue.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _submit(self) -> None:
        room = self.workers * TASKS_A_WORKER * TASK
        while self._queue and len(self._tasks) + len(self._ready) < room:
            _, orders = self._queue.popleft()
            self._start(orders)

    def _start(self, orders: tuple[Order, ...]) -> None:
        try:
            future = self._workers().submit(make, orders)
        except BrokenProcessPool:  # it broke while nobody was looking; who waits for a task will mend it
            future = Future()
            future.set_exception(BrokenProcessPool())
        task = _Task(orders, future)
        for order in orders:
            self._tasks[order.group, order.view] = task

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _pool(self.workers)
            try:
                self._pool.submit(os.getpid).result()
            except BrokenProcessPool:
                raise DmsbenchError("worker processes die at once here; use --workers 0") from None
        return self._pool

    def _made(self, task: _Task) -> list[ImageView]:
        try:
            return task.future.result()
        except BrokenProcessPool:
            pass
        # Somebody's picture killed a worker, and with it every task under way: this one is made picture by
        # picture, the others are given to new workers.
        self.close_pool()
        others = {id(other): other for other in self._tasks.values() if other is not task}
        for other in others.values():
            self._start(other.orders)
        return [_made_alone(order) for order in task.orders]

    def close_pool(self) -> None:
        """Ends the workers, but keeps what is expected."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=False)
            self._pool = None


def make(orders: Sequence[Order]) -> list[ImageView]:
    """The views that are ordered; this is what workers do."""
    return [
        corrupted_image(clean_image(order.image), order.seed, order.group, order.view, order.how)
        for order in orders
    ]


def _made_alone(order: Order) -> ImageView:
    """A view made in a process of its own, or why there is none where it kills that."""
    with _pool(1) as pool:
        try:
            return pool.submit(make, (order,)).result()[0]
        except BrokenProcessPool:
            status = "data_error" if order.view.is_clean else "corruption_error"
            return ImageView(None, "", not order.view.is_clean, "the process that made it died", status)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork would copy the threads' locks of whoever loaded torch.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def _begin() -> None:
    """What a worker does first: it leaves interruptions to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel, os._exit), daemon=True).start()


def _end_with(sentinel: int, leave: Callable[[int], object]) -> None:
    connection.wait([sentinel])
    leave(1)
