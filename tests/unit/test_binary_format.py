"""Compiled files of any format are judged by what they answer."""

import pytest

from mpforge.artifacts.binary_format import Binary, Promise, Symbol
from mpforge.artifacts.proof import format_of
from mpforge.artifacts.stable_abi import symbol_reasons
from mpforge.artifacts.undefined_symbols import Surroundings, undefined
from mpforge.platforms import well_known


def test_a_symbol_is_looked_for_in_shipped_files_of_any_format() -> None:
    files = {
        "_a.pyd": Binary(needed=("b.dll",), undefined=(Symbol("b_new"), Symbol("c_new"))),
        "b.dll": Binary(exported=frozenset({"b_new"})),
    }
    there = Surroundings(Promise(well_known()["x86_64"], "manylinux_2_17"))
    assert [symbol for symbol, _ in undefined(files, there)] == ["c_new"]


def test_the_stable_abi_holds_for_files_of_any_format() -> None:
    files = {"_a.pyd": Binary(undefined=(Symbol("PyList_New"), Symbol("_PyLong_New")))}
    (reason,) = symbol_reasons(files, (3, 8))
    assert "_PyLong_New, which is not in the stable ABI" in reason


def test_a_platform_without_a_format_is_not_judged_as_another() -> None:
    with pytest.raises(KeyError):
        format_of(well_known()["windows_x86_64"])
