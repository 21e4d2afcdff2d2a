"""The exceptions, and the table that chooses them."""

import pickle
import re

import pytest

import plugpen
from plugpen import _exceptions, _plugpen

CLASSES = [getattr(_exceptions, name) for name in _exceptions.__all__ if name != "Death"]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_exception_is_a_plugin_error_and_survives_pickling(
    cls: type[plugpen.PluginError],
) -> None:
    death = plugpen.Death("SIGNAL", signal=11, output=("last words",))
    error = cls("why", reason="SOME_REASON", death=death)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(error, RuntimeError)
    assert type(copy) is cls
    assert (str(copy), copy.reason, copy.death) == ("why", "SOME_REASON", death)


@pytest.mark.contract("0/4 exceptions: subclass what minihost raises")
@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (plugpen.InvalidInput, ValueError),
        (plugpen.IndexOutOfRange, IndexError),
        (plugpen.IndexOutOfRange, ValueError),
        (plugpen.PluginNotFound, FileNotFoundError),
        (plugpen.PluginHung, plugpen.PluginCrashed),
        (plugpen.TimedOut, TimeoutError),
        (plugpen.ServerUnavailable, ConnectionError),
    ],
)
def test_old_except_clauses_work(cls: type[Exception], base: type[Exception]) -> None:
    assert issubclass(cls, base)


def test_the_status_tables_exceptions_exist() -> None:
    table = _plugpen._status_table()
    assert len(table) > 10
    for reason, name in table:
        assert issubclass(getattr(plugpen, name), plugpen.PluginError), reason


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"[─ ]*(\w+)(?:\(([\w, ]+)\))?  |─ (\w+)\n", _exceptions.__doc__ or "")
    names = {name for name, _, other in drawn for name in (name, other) if name}
    assert {cls.__name__ for cls in CLASSES} - names <= {"PluginError"}
    for name, bases, _ in drawn:
        if bases:
            actual = [base.__name__ for base in getattr(_exceptions, name).__bases__]
            assert actual == bases.split(", ")


def test_a_death_names_its_signal() -> None:
    assert plugpen.Death("SIGNAL", signal=11).signal_name == "SIGSEGV"
    assert plugpen.Death("EXIT").signal_name == ""
    assert plugpen.Death("SIGNAL", signal=200).signal_name == "signal 200"
