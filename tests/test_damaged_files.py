"""Policy files and pickled policies that are cut, changed or made to do harm.

A file is read as what was saved or is one `ValueError`; nothing in it is executed, and what reading
takes in memory does not depend on what it says of itself.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from scorefn import LinearPolicy, LogitsPolicy, TabularPolicy, load_policy

Policy = LogitsPolicy | TabularPolicy | LinearPolicy
GOOD = {"format_version": 1, "kind": "logits", "parameters": np.array([1.0, 2.0])}


def npy(array: Any, header: str | None = None) -> bytes:
    """The bytes of an .npy file, with this header if one is given."""
    file = io.BytesIO()
    np.save(file, array)
    content = file.getvalue()
    if header is None:
        return content
    data = content[10 + int.from_bytes(content[8:10], "little") :]
    text = header.encode().ljust(117) + b"\n"
    return content[:8] + len(text).to_bytes(2, "little") + text + data


def write_archive(path: Path, entries: dict[str, bytes], compression: int = 0) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def entries_of(**changes: bytes) -> dict[str, bytes]:
    return {f"{name}.npy": changes.get(name, npy(array)) for name, array in GOOD.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    LogitsPolicy([1.0, 2.0]).save(tmp_path / "policy.npz")
    return tmp_path / "policy.npz"


def damage_of(path: Path) -> str:
    with pytest.raises(ValueError, match="is not a policy file, or is damaged: ") as info:
        load_policy(path)
    assert info.type is ValueError
    return str(info.value).partition(" damaged: ")[2]


def test_a_missing_file_is_no_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_policy(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        load_policy(tmp_path)


@pytest.mark.slow
def test_every_truncation(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        damage_of(path)


@pytest.mark.slow
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_changed_byte(path: Path, flip: int) -> None:
    whole = path.read_bytes()
    refused = 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= flip
        path.write_bytes(changed)
        try:
            parameters = load_policy(path).parameters
        except ValueError:
            refused += 1
        else:  # the byte carried nothing, like a date
            assert parameters.tolist() == [1.0, 2.0]
            assert parameters.dtype == np.float64
    assert refused > len(whole) // 2


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("field", GOOD)
def test_a_pickle_is_never_loaded(field: str, path: Path) -> None:
    trap = path.parent / "trap"
    np.savez(path, **{**GOOD, field: np.array([Trap(trap)], dtype=object)})  # type: ignore[arg-type]
    with np.load(path, allow_pickle=True) as content:
        content[field]  # as it would
    assert trap.exists()
    trap.unlink()
    assert damage_of(path) == f"{field} holds Python objects, which are never read"
    # Nor is what stands in the place of an array.
    write_archive(path, entries_of(**{field: pickle.dumps(Trap(trap))}))
    damage_of(path)
    path.write_bytes(pickle.dumps(Trap(trap)))
    damage_of(path)
    assert not trap.exists()


SHAPES = [
    "(1099511627776,)",
    "(9223372036854775807, 8)",
    "(-2,)",
    "(2, 0, 2)",
    "(1,)",
    "(3,)",
    "()",
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["<f8", "|V16", "<U1000000"])
def test_a_header_that_claims_another_size(shape: str, dtype: str, path: Path) -> None:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    write_archive(path, entries_of(parameters=npy(GOOD["parameters"], header)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="damaged: "):
            load_policy(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "[1]",
        "(" * 90,
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}",
        "2 ** 2 ** 99",
    ],
)
def test_a_header_that_is_none(header: str, path: Path) -> None:
    write_archive(path, entries_of(parameters=npy(GOOD["parameters"], header)))
    damage_of(path)


@pytest.mark.parametrize("dtype", ["|V0", "<U0", "|S0"])
def test_items_of_no_size(dtype: str, path: Path) -> None:
    """Any number of them fits in no bytes, and is long to copy."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1099511627776,), }}"
    write_archive(path, entries_of(parameters=npy(np.zeros(0), header)))
    assert damage_of(path).startswith("parameters holds items of no size")


def test_a_text_that_is_none(path: Path) -> None:
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': (), }"
    write_archive(path, entries_of(kind=npy(np.array(0xFFFFFFFF, np.uint32), header)))
    damage_of(path)


def test_a_compressed_file_does_not_fill_the_memory(path: Path) -> None:
    """100 MB of zeros are 100 kB in the file."""
    zeros = npy(np.zeros(100_000_000 // 8))
    write_archive(path, entries_of(parameters=zeros), zipfile.ZIP_DEFLATED)
    del zeros
    tracemalloc.start()
    try:
        assert damage_of(path) == "its entries are larger than the file"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    write_archive(path, entries_of(parameters=npy(np.random.default_rng(0).random(9))), 8)
    assert "is compressed" in damage_of(path) or "larger than the file" in damage_of(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_that_are_no_arrays(path: Path) -> None:
    write_archive(path, {"readme.txt": b"no policy"})
    assert damage_of(path) == "unexpected entry 'readme.txt'"
    # An entry's name is never a path to write to or to read from; here it is just no field.
    write_archive(path, {**entries_of(), "../../outside.npy": npy(1)})
    load_policy(path)
    assert not (path.parent.parent.parent / "outside.npy").exists()
    write_archive(path, {})
    assert damage_of(path) == "it has no entry 'format_version'"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*entries_of().items(), ("kind.npy", npy("linear"))]:
            archive.writestr(name, content)
    assert damage_of(path) == "unexpected entry 'kind.npy'"
    np.save(path.with_suffix(".npy"), np.zeros(3))
    damage_of(path.with_suffix(".npy"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format_version": 3}, "has format version 3, this scorefn reads up to 2"),
        ({"format_version": -(2**63)}, "has format version -9223372036854775808, this scorefn"),
        ({"format_version": 1.0}, "damaged: format_version must be an integer and kind a text"),
        ({"format_version": [1]}, "damaged: format_version must be an integer and kind a text"),
        ({"kind": b"logits"}, "damaged: format_version must be an integer and kind a text"),
        ({"kind": "deep"}, "holds a policy of an unknown kind, 'deep'"),
        ({"kind": "__class__"}, "holds a policy of an unknown kind, '__class__'"),
        ({"kind": "linear"}, "is damaged: coef must have shape (num_features, num_actions) and"),
        ({"parameters": np.zeros(3, int)}, "is damaged: logits must be float32 or float64, got"),
        ({"parameters": np.zeros(0)}, "is damaged: logits must have shape (num_actions) and not"),
        ({"parameters": np.array("text")}, "is damaged: logits must be float32 or float64, got"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_a_file_that_says_something_else(fields: dict[str, Any], message: str, path: Path) -> None:
    np.savez(path, **{**GOOD, **fields})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        load_policy(path)
    assert info.type is ValueError
    assert str(info.value).startswith(f"{path} ")


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_read_may_be_written_to(order: Any, path: Path) -> None:
    table = np.asarray(np.random.default_rng(0).random((3, 4)), order=order)
    TabularPolicy(table).save(path)
    parameters = load_policy(path).parameters
    assert parameters.strides == table.strides
    parameters += 1.0
    np.testing.assert_array_equal(parameters, table + 1.0)


def test_saving_in_several_threads_leaves_the_file_of_one(path: Path) -> None:
    def save(number: int) -> None:
        for _ in range(30):
            LogitsPolicy(np.full(10, float(number))).save(path)

    save(0)
    threads = [Thread(target=save, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(set(load_policy(path).parameters)) == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_save_that_fails_leaves_nothing(path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        LogitsPolicy([3.0, 4.0]).save(path)
    assert list(path.parent.iterdir()) == [path]


# --- Pickles of policies --------------------------------------------------------------------------

POLICIES: list[Policy] = [
    LogitsPolicy(np.zeros(3)),
    TabularPolicy(np.ones((2, 3), np.float32)),
    LinearPolicy(np.ones((4, 3))),
]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_pickles_and_copies(policy: Policy) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same = pickle.loads(pickle.dumps(policy, protocol))
        assert type(same) is type(policy)
        np.testing.assert_array_equal(same.parameters, policy.parameters, strict=True)
    assert copy.copy(policy).parameters is policy.parameters
    deep = copy.deepcopy(policy)
    deep.parameters += 1.0
    assert not np.array_equal(deep.parameters, policy.parameters)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_pickle_that_was_cut(policy: Policy) -> None:
    content = pickle.dumps(policy)
    for size in range(len(content)):
        with pytest.raises((EOFError, pickle.UnpicklingError)):
            pickle.loads(content[:size])


def test_a_pickle_keeps_what_a_subclass_adds() -> None:
    policy = LogitsPolicy([1.0, 2.0])
    policy.note = "mine"  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(policy)).note == "mine"


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_pickle_that_was_tampered_with(policy: Policy) -> None:
    """What pickle itself runs on loading is not up to us; the state is."""
    kind, name = type(policy), policy.name
    dims = len(policy.axes)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (None, ValueError, f"the state of a {kind.__name__} must be a dict with 'parameters', got"),
        ([1], ValueError, f"the state of a {kind.__name__} must be a dict with 'parameters', got"),
        ({}, ValueError, f"the state of a {kind.__name__} must be a dict with 'parameters', got"),
        ({"parameters": None}, TypeError, f"{name} must be float32 or float64, got object"),
        ({"parameters": "x"}, TypeError, f"{name} must be float32 or float64, got <U1"),
        (
            {"parameters": np.ones((2,) * dims, int)},
            TypeError,
            f"{name} must be float32 or float64, got int64",
        ),
        (
            {"parameters": np.ones((2,) * (dims + 1))},
            ValueError,
            f"{name} must have shape ({', '.join(policy.axes)}) and not be empty, got (2, 2",
        ),
        (
            {"parameters": np.ones((0,) * dims)},
            ValueError,
            f"{name} must have shape ({', '.join(policy.axes)}) and not be empty, got (0,",
        ),
        ({"parameters": np.ma.masked_array(np.ones((2,) * dims))}, TypeError, f"{name} must not"),
    ]
    for state, error, message in wrong:
        fresh = kind.__new__(kind)
        with pytest.raises(error) as info:
            fresh.__setstate__(state)
        assert info.type is error
        assert str(info.value).startswith(message)
        assert not hasattr(fresh, "parameters")
    # The same on the way that pickle takes.
    content = pickle.dumps(policy, 0).replace(b"parameters", b"parametres")
    with pytest.raises(ValueError, match="must be a dict with 'parameters', got dict"):
        pickle.loads(content)
