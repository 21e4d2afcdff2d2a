"""plugpen.aio: the same calls, awaited."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LV2, Open, peak

import plugpen
from plugpen.aio import AsyncPlugin, AsyncServer, Changed, GestureChanged, ValueChanged

MVERB = LV2 / "MVerb.lv2"
DELAY = {"path": LV2 / "mda.lv2", "plugin": "MDA Delay"}

pytestmark = pytest.mark.usefixtures("real_plugins")


def run(program: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await program()

    asyncio.run(main())


def test_a_plugin_plays() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(MVERB, 44100, max_block_size=128) as reverb:
            assert (reverb.name, reverb.sample_rate, reverb.num_params) == ("MVerb", 44100.0, 9)
            assert "AsyncPlugin 'MVerb'" in repr(reverb)
            await reverb.set_param(0, 0.25)
            assert await reverb.get_param(index=0) == pytest.approx(0.25, abs=1e-6)
            ones, out = np.ones((2, 128), np.float32), np.zeros((2, 128), np.float32)
            for _ in range(100):
                await reverb.process(ones, out)
            assert peak(out) > 0.1
            assert await reverb.process_midi(ones, output=out, midi_in=[]) == []
            await reverb.set_program(2)
            assert await reverb.get_program() == 2
            await reverb.set_bypass(True)
            assert reverb.bypass is True
            assert await reverb.get_tail_seconds() >= 0
            song = plugpen.MidiFile()
            audio = await reverb.run(plugpen.render_midi, song, 64, tail_seconds=0.1)
            assert audio.shape == (2, 4410)
            pid = reverb.worker_pid
        assert not reverb.is_alive
        await reverb.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(plugpen.WrongState, match="closed"):
            await reverb.get_param(0)

    run(program)


def test_all_of_plugin_is_there() -> None:
    ours = {name for name in dir(AsyncPlugin) if not name.startswith("_")}
    theirs = {name for name in dir(plugpen.Plugin) if not name.startswith("_")}
    callbacks = {name for name in theirs if "callback" in name}
    assert theirs - ours == callbacks | {"program", "tail_seconds", "numerics"}
    for name in theirs & ours:
        assert getattr(AsyncPlugin, name).__doc__, name


def test_errors_are_raised_by_the_await() -> None:
    async def program() -> None:
        with pytest.raises(plugpen.PluginNotFound):
            await AsyncPlugin.open("/nowhere.lv2")
        async with AsyncPlugin.open(**DELAY) as delay:
            with pytest.raises(plugpen.IndexOutOfRange):
                await delay.get_param(99)
            with pytest.raises(TypeError):
                await delay.get_param("0")  # type: ignore[arg-type]
            os.kill(delay.worker_pid, signal.SIGKILL)
            with pytest.raises((plugpen.PluginCrashed, plugpen.PluginDead)):
                await delay.get_state()
            assert delay.death is not None
            await delay.restart()
            assert await delay.get_state()

    run(program)


def test_the_loop_runs_meanwhile_and_calls_keep_their_order() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(**DELAY) as delay, AsyncPlugin.open(MVERB) as other:
            held, inside = threading.Event(), threading.Event()

            def hold(plugin: plugpen.Plugin) -> None:
                inside.set()
                held.wait()

            holding = asyncio.create_task(delay.run(hold))
            while not inside.is_set():
                await asyncio.sleep(0)
            # Nobody waits for a plugin that is busy, but its own further calls.
            sets = [asyncio.create_task(delay.set_param(0, n / 8)) for n in range(8)]
            assert await other.get_param(0) >= 0
            assert not any(task.done() for task in sets)
            held.set()
            await asyncio.gather(holding, *sets)
            assert await delay.get_param(0) == pytest.approx(7 / 8, abs=1e-6)

    run(program)


def test_a_call_cancelled_before_its_turn_is_not_made() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(**DELAY) as delay:
            before = await delay.get_param(0)
            held, inside = threading.Event(), threading.Event()

            def hold(plugin: plugpen.Plugin) -> None:
                inside.set()
                held.wait()

            holding = asyncio.create_task(delay.run(hold))
            setting = asyncio.create_task(delay.set_param(0, 1 - before))
            while not inside.is_set():
                await asyncio.sleep(0)
            for task in (setting, holding):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            held.set()
            assert await delay.get_param(0) == before

    run(program)


def test_a_cancelled_opening_leaves_no_plugin(target: str) -> None:
    async def program() -> None:
        async with await AsyncServer.connect(target) as server:
            opening = asyncio.ensure_future(server.Plugin(MVERB)._finish())
            await asyncio.sleep(0)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            # It may be open for a moment, in a thread that nobody waits for.
            while any(thread.name.startswith("plugpen-aio") for thread in threading.enumerate()):
                await asyncio.sleep(0)
            assert await server.plugins() == []

    run(program)


def test_events_are_iterated() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(MVERB) as reverb:
            events, others = reverb.events(), reverb.events()
            await reverb.begin_param_gesture(2)
            await reverb.set_param(2, 1.0)
            await reverb.end_param_gesture(2)
            expected: list[Any] = [
                GestureChanged(2, True),
                ValueChanged(2, 1.0),
                GestureChanged(2, False),
            ]
            for iterator in (events, others):
                assert [await anext(iterator) for _ in range(3)] == expected
            await reverb.set_program(1)
            async for event in events:
                if isinstance(event, Changed):
                    assert event.flags & plugpen.MH_CHANGE_PROGRAM
                    break
            waiting = asyncio.create_task(anext(events, None))
            while not waiting.done() or waiting.result() is not None:
                if waiting.done():
                    waiting = asyncio.create_task(anext(events, None))
                elif reverb.is_alive:
                    await reverb.close()
                else:
                    await asyncio.sleep(0)
        assert [event async for event in reverb.events()] == []
        assert events.dropped == 0

    run(program)


def test_events_that_nobody_reads_are_dropped_and_counted() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(**DELAY) as delay:
            events = delay.events(capacity=2)
            for step in range(5):
                await delay.set_param(0, step / 8)
                await delay.run(lambda plugin: plugin.poll_callbacks())
            assert events.dropped == 3
            assert [await anext(events) for _ in range(2)] == [
                ValueChanged(0, pytest.approx(n / 8, abs=1e-6)) for n in (3, 4)
            ]
            with pytest.raises(ValueError, match="capacity"):
                delay.events(0)

    run(program)


def test_a_named_daemon(target: str, tmp_path: Path) -> None:
    async def program() -> None:
        async with await AsyncServer.connect(target) as server:
            assert "AsyncServer" in repr(server)
            assert (await server.info())["pid"] > 0
            async with server.Plugin(MVERB) as reverb:
                [opened] = await server.plugins()
                assert opened["handle"] == reverb.handle
            probed = await server.probe(MVERB)
            assert probed["name"] == (await plugpen.aio.probe(MVERB))["name"] == "MVerb"
            assert await server.scan_directory(tmp_path) == []
            assert await plugpen.aio.scan_directory(tmp_path) == []
        with pytest.raises(plugpen.WrongState):
            await server.plugins()

    run(program)


def test_a_call_that_hangs_ends_with_the_plugin(open_test_plugin: Open) -> None:
    async def program() -> None:
        villain = AsyncPlugin(open_test_plugin("villain"))
        inside = threading.Event()

        def wait_for_a_block(plugin: plugpen.Plugin) -> None:
            block = np.zeros((2, 64), np.float32)
            inside.set()
            while True:
                plugin.process(block, block)

        playing = asyncio.create_task(villain.run(wait_for_a_block))
        while not inside.is_set():
            await asyncio.sleep(0)
        await villain.close()
        with pytest.raises(plugpen.WrongState, match="closed"):
            await playing

    run(program)


def test_calls_that_wait_when_the_plugin_is_closed_say_so() -> None:
    async def program() -> None:
        delay = await AsyncPlugin.open(**DELAY)
        held, inside = threading.Event(), threading.Event()

        def hold(plugin: plugpen.Plugin) -> None:
            inside.set()
            held.wait()

        holding = asyncio.create_task(delay.run(hold))
        waiting = [asyncio.create_task(delay.get_param(n)) for n in range(3)]
        while not inside.is_set():
            await asyncio.sleep(0)
        await delay.close()
        held.set()
        await holding
        # None of these tasks was cancelled by anybody.
        for task in waiting:
            with pytest.raises(plugpen.WrongState, match="closed"):
                await task

    run(program)


def test_events_that_nobody_holds_are_forgotten() -> None:
    async def program() -> None:
        async with AsyncPlugin.open(**DELAY) as delay:
            for _ in range(10):
                delay.events()
            kept = delay.events()
            await delay.set_param(0, 0.5)
            assert await anext(kept) == ValueChanged(0, 0.5)
            assert len(delay._events) <= 2

    run(program)
