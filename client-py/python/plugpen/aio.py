"""Plugins for programs that run on asyncio: the same calls, awaited.

    >>> async with AsyncPlugin.open("/usr/lib/lv2/MVerb.lv2") as reverb:
    ...     await reverb.set_param(0, 0.5)
    ...     await reverb.process(dry, wet)

Each plugin has a thread that makes its calls, one after the other in the order in which they were
awaited; different plugins work at the same time, and the event loop never waits for one.

A call that is cancelled before its turn is not made. One that is being made goes on, since no
plugin can be stopped in the middle of a call, and its result is dropped; an output array may still
be written until the next call has returned. A plugin that hangs is killed by its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from . import _plugpen
from ._exceptions import Death, InvalidInput
from ._plugpen import Plugin, Server

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AsyncPlugin",
    "AsyncServer",
    "Changed",
    "Events",
    "GestureChanged",
    "ValueChanged",
    "probe",
    "scan_directory",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_EVENTS = 1024


@dataclass(frozen=True)
class ValueChanged:
    """A parameter got a value, from the plugin or by `AsyncPlugin.set_param`.

    Attributes:
        index: The parameter.
        value: Its value, 0 to 1.
    """

    index: int
    value: float


@dataclass(frozen=True)
class GestureChanged:
    """A gesture on a parameter began or ended.

    Attributes:
        index: The parameter.
        is_begin: Whether it began.
    """

    index: int
    is_begin: bool


@dataclass(frozen=True)
class Changed:
    """The plugin as a whole changed.

    Attributes:
        flags: A sum of `MH_CHANGE_LATENCY`, `MH_CHANGE_PARAM_INFO`, `MH_CHANGE_PROGRAM` and
            `MH_CHANGE_NON_PARAM_STATE`.
    """

    flags: int


_Event = ValueChanged | GestureChanged | Changed


class Events(AsyncIterator[_Event]):
    """What a plugin does by itself, as it happens, from `AsyncPlugin.events`.

    Ends when the plugin is closed. Of more events than are kept, the oldest are dropped and
    counted.
    """

    def __init__(self, capacity: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._kept: deque[_Event] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()
        self._dropped = 0
        self._ended = False

    @property
    def dropped(self) -> int:
        """How many events have been dropped."""
        return self._dropped

    def _put(self, event: _Event | None) -> None:
        """Keep an event; None ends them. From any thread."""
        with self._lock:
            if event is None:
                self._ended = True
            else:
                self._dropped += len(self._kept) == self._kept.maxlen
                self._kept.append(event)
            # One wake-up for all that is kept: the loop's own queue has no bound.
            wake = len(self._kept) == 1 or event is None
        if wake:
            # A loop that has ended has nobody waiting.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._arrived.set)

    async def __anext__(self) -> _Event:
        while True:
            with self._lock:
                if self._kept:
                    return self._kept.popleft()
                if self._ended:
                    raise StopAsyncIteration
                self._arrived.clear()
            await self._arrived.wait()


def _awaited(
    method: Callable[Concatenate[Plugin, _P], _T],
) -> Callable[Concatenate[AsyncPlugin, _P], Coroutine[Any, Any, _T]]:
    """Make a method of `Plugin` one of `AsyncPlugin`."""

    @functools.wraps(method)
    async def call(self: AsyncPlugin, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self.run(method, *args, **kwargs)

    return call


class _Told(Generic[_T]):
    """A property of `Plugin` that is known without asking the plugin."""

    def __init__(self, kind: Callable[..., _T]) -> None:
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self.__doc__ = getattr(Plugin, name).__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: AsyncPlugin, owner: type) -> _T: ...
    def __get__(self, instance: AsyncPlugin | None, owner: type) -> Self | _T:
        if instance is None:
            return self
        return cast(_T, getattr(instance.plugin, self._name))


class _Opening:
    """A plugin that is being opened: to be awaited, or entered."""

    def __init__(self, open_plugin: Callable[[], Plugin]) -> None:
        self._open = open_plugin
        self._opened: AsyncPlugin | None = None

    def __await__(self) -> Generator[Any, None, AsyncPlugin]:
        return self._finish().__await__()

    async def _finish(self) -> AsyncPlugin:
        thread = ThreadPoolExecutor(1, thread_name_prefix="plugpen-aio")
        opening = thread.submit(self._open)
        try:
            plugin = await asyncio.wrap_future(opening)
        except BaseException:
            # Cancelled, it may open yet.
            opening.add_done_callback(_close_unwanted)
            thread.shutdown(wait=False)
            raise
        return AsyncPlugin(plugin, thread)

    async def __aenter__(self) -> AsyncPlugin:
        self._opened = await self
        return self._opened

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


def _close_unwanted(opening: Future[Plugin]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class AsyncPlugin:
    """A `Plugin` whose calls are awaited; opened by `AsyncPlugin.open`.

    The methods are those of `Plugin`, with the same arguments, results and errors. Properties
    that are known without asking the plugin are properties here too; `get_program`,
    `get_tail_seconds` and the setters (`set_bypass`, ...) are methods. An asynchronous context
    manager; leaving the block closes the plugin.

    Args:
        plugin: An open plugin, which this one takes over.
        thread: What makes its calls, with a single thread; None for one of its own.
    """

    def __init__(self, plugin: Plugin, thread: ThreadPoolExecutor | None = None) -> None:
        self._plugin = plugin
        self._thread = thread or ThreadPoolExecutor(1, thread_name_prefix="plugpen-aio")
        # Those that somebody still holds.
        self._events: list[weakref.ref[Events]] = []
        self._closed = False

    @staticmethod
    def open(path: str | os.PathLike[str], *args: Any, **options: Any) -> _Opening:
        """Open a plugin, on this process's own daemon.

        Args:
            path: As for `Plugin`.
            args: The further arguments of `Plugin`.
            options: The same, by name.

        Returns:
            What gives an `AsyncPlugin` when it is awaited, or entered by ``async with``. Cancelled,
            the plugin is not opened, or closed as soon as it is.
        """
        return _Opening(functools.partial(Plugin, path, *args, **options))

    @property
    def plugin(self) -> Plugin:
        """The plugin itself, for what does not wait."""
        return self._plugin

    async def run(
        self,
        function: Callable[Concatenate[Plugin, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Await any function of the plugin, in its turn: ``await p.run(render_midi, song)``.

        Args:
            function: Called with the `Plugin` and the further arguments, in the plugin's thread.
            args: Further arguments.
            kwargs: The same, by name.

        Returns:
            What the function does.
        """
        call = functools.partial(function, self._plugin, *args, **kwargs)
        # A closed plugin says so by itself.
        thread = None if self._closed else self._thread
        return await asyncio.get_running_loop().run_in_executor(thread, call)

    def events(self, capacity: int = _EVENTS) -> Events:
        """Tell what the plugin does by itself from now on: ``async for event in p.events()``.

        Args:
            capacity: How many events are kept until they are read, at least 1.

        Returns:
            An asynchronous iterator of `ValueChanged`, `GestureChanged` and `Changed`. There may be
            several at once; each gets all events.
        """
        if capacity < 1:
            raise InvalidInput(f"capacity must be at least 1, got {capacity}")
        events = Events(capacity)
        if self._closed:
            events._put(None)
            return events
        if not self._events:
            self._plugin.set_change_callback(lambda flags: self._tell(Changed(flags)))
            self._plugin.set_param_value_callback(
                lambda index, value: self._tell(ValueChanged(index, value))
            )
            self._plugin.set_param_gesture_callback(
                lambda index, is_begin: self._tell(GestureChanged(index, is_begin))
            )
        self._events = [held for held in self._events if held() is not None]
        self._events.append(weakref.ref(events))
        return events

    def _tell(self, event: _Event | None) -> None:
        for held in tuple(self._events):
            if (events := held()) is not None:
                events._put(event)

    async def close(self) -> None:
        """End the plugin's process, and its events. Closing twice is no error.

        Calls that wait for their turn raise `WrongState`.
        """
        self._closed = True
        try:
            # Not in its thread: a call that hangs there ends with the plugin.
            await asyncio.to_thread(self._plugin.close)
        finally:
            # Cancelling what waits would look as if its tasks had been cancelled.
            self._thread.shutdown(wait=False)
            self._tell(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._plugin).replace("Plugin", "AsyncPlugin", 1)

    is_alive = _Told(bool)
    name = _Told(str)
    vendor = _Told(str)
    format = _Told(str)
    unique_id = _Told(str)
    path = _Told(str)
    handle = _Told(str)
    generation = _Told(int)
    worker_pid = _Told(int)
    max_block_size = _Told(int)
    num_params = _Told(int)
    num_input_channels = _Told(int)
    num_output_channels = _Told(int)
    sidechain_channels = _Told(int)
    num_input_buses = _Told(int)
    num_output_buses = _Told(int)
    num_programs = _Told(int)
    latency_samples = _Told(int)
    accepts_midi = _Told(bool)
    produces_midi = _Told(bool)
    is_midi_effect = _Told(bool)
    supports_mpe = _Told(bool)
    supports_double = _Told(bool)
    midi_out_dropped = _Told(int)
    sample_rate = _Told(float)
    bypass = _Told(bool)
    non_realtime = _Told(bool)
    processing_precision = _Told(int)

    @property
    def death(self) -> Death | None:
        """How the plugin's process ended, a `Death`; None while it runs."""
        return self._plugin.death

    @property
    def sandbox(self) -> dict[str, str]:
        """How the plugin's process is jailed, as `Plugin.sandbox`."""
        return self._plugin.sandbox

    async def get_numerics(self) -> list[Any]:
        """Ask for what is wrong with the numbers in the outputs, as `Plugin.numerics`."""
        return await self.run(lambda plugin: plugin.numerics)

    async def get_program(self) -> int:
        """Ask for the index of the current factory program; 0 where there are none."""
        return await self.run(lambda plugin: plugin.program)

    async def get_tail_seconds(self) -> float:
        """Ask for how many seconds the plugin says it rings on."""
        return await self.run(lambda plugin: plugin.tail_seconds)

    async def set_sample_rate(self, value: float) -> None:
        """Set `Plugin.sample_rate`."""
        await self._set("sample_rate", value)

    async def set_program(self, value: int) -> None:
        """Set `Plugin.program`."""
        await self._set("program", value)

    async def set_bypass(self, value: bool) -> None:
        """Set `Plugin.bypass`."""
        await self._set("bypass", value)

    async def set_non_realtime(self, value: bool) -> None:
        """Set `Plugin.non_realtime`."""
        await self._set("non_realtime", value)

    async def set_processing_precision(self, value: int) -> None:
        """Set `Plugin.processing_precision`."""
        await self._set("processing_precision", value)

    async def _set(self, name: str, value: object) -> None:
        await self.run(lambda plugin: setattr(plugin, name, value))

    restart = _awaited(Plugin.restart)
    process = _awaited(Plugin.process)
    process_midi = _awaited(Plugin.process_midi)
    process_auto = _awaited(Plugin.process_auto)
    process_sidechain = _awaited(Plugin.process_sidechain)
    process_sidechain_midi = _awaited(Plugin.process_sidechain_midi)
    process_double = _awaited(Plugin.process_double)
    get_param = _awaited(Plugin.get_param)
    set_param = _awaited(Plugin.set_param)
    get_param_info = _awaited(Plugin.get_param_info)
    param_to_text = _awaited(Plugin.param_to_text)
    param_from_text = _awaited(Plugin.param_from_text)
    begin_param_gesture = _awaited(Plugin.begin_param_gesture)
    end_param_gesture = _awaited(Plugin.end_param_gesture)
    note_expressions = _awaited(Plugin.note_expressions)
    find_param = _awaited(Plugin.find_param)
    get_param_by_name = _awaited(Plugin.get_param_by_name)
    set_param_by_name = _awaited(Plugin.set_param_by_name)
    morph_capture = _awaited(Plugin.morph_capture)
    morph_apply = _awaited(Plugin.morph_apply)
    morph = _awaited(Plugin.morph)
    get_state = _awaited(Plugin.get_state)
    set_state = _awaited(Plugin.set_state)
    get_program_state = _awaited(Plugin.get_program_state)
    set_program_state = _awaited(Plugin.set_program_state)
    stage_file = _awaited(Plugin.stage_file)
    get_program_name = _awaited(Plugin.get_program_name)
    set_transport = _awaited(Plugin.set_transport)
    clear_transport = _awaited(Plugin.clear_transport)
    reset = _awaited(Plugin.reset)
    reset_numerics = _awaited(Plugin.reset_numerics)
    get_bus_info = _awaited(Plugin.get_bus_info)
    check_buses_layout = _awaited(Plugin.check_buses_layout)
    set_track_properties = _awaited(Plugin.set_track_properties)


class AsyncServer:
    """A connection to a daemon that runs already, made by `AsyncServer.connect`.

    An asynchronous context manager; leaving the block closes it, and its plugins with it.

    Args:
        server: An open connection, which this one takes over.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    @classmethod
    async def connect(
        cls,
        target: str | os.PathLike[str],
        token: str | None = None,
        ca: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Connect to a daemon; arguments and errors are those of `plugpen.connect`."""
        connect = functools.partial(_plugpen.connect, target, token, ca, client_cert, client_key)
        return cls(await asyncio.to_thread(connect))

    def Plugin(self, path: str | os.PathLike[str], *args: Any, **options: Any) -> _Opening:  # noqa: N802
        """Open a plugin on this daemon; see `AsyncPlugin.open`."""
        return _Opening(functools.partial(self._server.Plugin, path, *args, **options))

    async def probe(
        self, path: str | os.PathLike[str], plugin: int | str | None = None
    ) -> _plugpen._PluginInfo:
        """Tell what is known of a plugin without playing it; see `plugpen.probe`."""
        return await asyncio.to_thread(self._server.probe, path, plugin)

    async def scan_directory(
        self, directory_path: str | os.PathLike[str], *, refresh: bool = False
    ) -> list[_plugpen._PluginInfo]:
        """Find all plugins below a folder; see `plugpen.scan_directory`."""
        return await asyncio.to_thread(self._server.scan_directory, directory_path, refresh=refresh)

    async def plugins(self, all_sessions: bool = False) -> list[dict[str, Any]]:
        """List the plugins that are open on this daemon; see `Server.plugins`."""
        return await asyncio.to_thread(self._server.plugins, all_sessions)

    async def info(self) -> dict[str, Any]:
        """Tell what the daemon says of itself; see `Server.info`."""
        return await asyncio.to_thread(self._server.info)

    async def close(self) -> None:
        """End the session: its plugins are closed. Closing twice is no error."""
        await asyncio.to_thread(self._server.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._server).replace("Server", "AsyncServer", 1)


async def probe(
    path: str | os.PathLike[str], plugin: int | str | None = None
) -> _plugpen._PluginInfo:
    """Tell what is known of a plugin without playing it; see `plugpen.probe`."""
    return await asyncio.to_thread(_plugpen.probe, path, plugin)


async def scan_directory(
    directory_path: str | os.PathLike[str], *, refresh: bool = False
) -> list[_plugpen._PluginInfo]:
    """Find all plugins below a folder; see `plugpen.scan_directory`."""
    return await asyncio.to_thread(_plugpen.scan_directory, directory_path, refresh=refresh)
