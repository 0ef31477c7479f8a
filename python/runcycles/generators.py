"""Guards around generators: the work is done between the items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from functools import wraps
from typing import Any

from runcycles import _native
from runcycles.context import CyclesContext, activate, current_guard, deactivate, reason
from runcycles.leases import unless_lost
from runcycles.options import Options

Native = Callable[[], _native.Client]


class _Work:
    """What one generator has come to so far."""

    def __init__(self, guard: _native.Guard, options: Options) -> None:
        self.guard = guard
        self.context = CyclesContext.of(guard)
        self._options = options
        self._count = 0
        # Kept only for an `actual` that looks at them.
        self._items: list[Any] | None = [] if callable(options.actual) else None

    def yielded(self, item: Any) -> Any:
        self._count += 1
        if self._items is not None:
            self._items.append(item)
        return item

    @property
    def is_empty(self) -> bool:
        return self._count == 0

    def commit_request(self) -> str:
        return self._options.settlement(self.context, self._items)


def guard_generator(function: Callable[..., Any], options: Options, native: Native) -> Callable[..., Any]:
    """A generator function whose generators reserve at their first item and settle once."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        work = _Work(native().begin(options.request(args, kwargs), current_guard()), options)

        def inside(step: Callable[..., Any], *step_args: Any, **step_kwargs: Any) -> Any:
            # Between two items the caller runs, outside of this call.
            token = activate(work.context)
            try:
                return step(*step_args, **step_kwargs)
            finally:
                deactivate(token)

        try:
            generator = inside(function, *args, **kwargs)
            resume: Callable[..., Any] = generator.send
            value: Any = None
            while True:
                try:
                    item = inside(resume, value)
                except StopIteration as end:
                    result = end.value
                    break
                try:
                    value = yield work.yielded(item)
                    resume = generator.send
                except GeneratorExit:
                    inside(generator.close)
                    raise
                except BaseException as error:
                    resume, value = generator.throw, error
        except BaseException as error:
            _settle_unfinished(work, error)
            raise
        work.context.settled(work.guard.commit(work.commit_request()))
        return result

    return guarded


def guard_async_generator(
    function: Callable[..., Any], options: Options, native: Native
) -> Callable[..., Any]:
    """The same for async generators."""

    @wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        guard = await native().begin_async(options.request(args, kwargs), current_guard())
        work = _Work(guard, options)

        async def inside(step: Callable[..., Any], *step_args: Any) -> Any:
            token = activate(work.context)
            try:
                return await unless_lost(guard, step(*step_args))
            finally:
                deactivate(token)

        try:
            generator = function(*args, **kwargs)
            resume: Callable[..., Any] = generator.asend
            value: Any = None
            while True:
                try:
                    item = await inside(resume, value)
                except StopAsyncIteration:
                    break
                try:
                    value = yield work.yielded(item)
                    resume = generator.asend
                except GeneratorExit:
                    await inside(generator.aclose)
                    raise
                except BaseException as error:
                    resume, value = generator.athrow, error
        except BaseException as error:
            await _settle_unfinished_async(work, error)
            raise
        work.context.settled(await guard.commit_async(work.commit_request()))

    return guarded


def _settle_unfinished(work: _Work, error: BaseException) -> None:
    """What was handed out is paid for; where nothing was, nothing is."""
    if work.is_empty:
        work.context.settled(work.guard.release(reason(error)))
    else:
        work.context.settled(work.guard.commit(work.commit_request()))


async def _settle_unfinished_async(work: _Work, error: BaseException) -> None:
    if work.is_empty:
        work.context.settled(await work.guard.release_async(reason(error)))
    else:
        work.context.settled(await work.guard.commit_async(work.commit_request()))
