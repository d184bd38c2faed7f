"""The next batches, made by a thread while this one is learned from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def ahead(items: Iterable[T], make: Callable[[T], U], *, depth: int = 2) -> Iterator[tuple[T, U]]:
    """(item, make(item)) in the items' order, up to `depth` of them made in advance."""
    waiting: deque[tuple[T, Future[U]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(make, item)))
                if len(waiting) > depth:
                    first, made = waiting.popleft()
                    yield first, made.result()
            while waiting:
                first, made = waiting.popleft()
                yield first, made.result()
        finally:
            for _, future in waiting:
                future.cancel()
