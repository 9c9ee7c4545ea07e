"""The symbolic pickle machine reads what Python writes, and calls nothing that it is not given."""

import io
import math
import os
import pickle
import struct

import pytest

from minifcn.io.pytorch.pickles import OPAQUE, Global, PickleError, Refused, opaque, read_pickle

PLAIN = [
    *(
        None,
        True,
        False,
        0,
        255,
        256,
        65536,
        -1,
        -(2**31),
        2**31,
        2**63,
        -(2**200),
        1.5,
        -math.inf,
    ),
    *("", "ö\n€ 😀", "x" * 300, b"", b"\x00\xff", b"y" * 300),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], [1, "a", [2.5]]),
    *({}, {"a": 1}, {"a": {1: (2, [3])}, 4: None, None: 5, 1.5: b"", b"k": True}),
]


def read(content, known=None, persistent=None):
    return read_pickle(io.BytesIO(content), known or {}, persistent)


def failure(content, known=None):
    with pytest.raises(PickleError) as caught:
        read(content, known)
    assert type(caught.value) is PickleError
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_values(protocol, value):
    known = {"_codecs.encode": lambda a: a[0].encode(a[1]), "__builtin__.bytes": lambda a: b""}
    got = read(pickle.dumps(value, protocol), known)
    assert got == value
    assert type(got) is type(value)


def test_shared_values_stay_shared():
    part = ["a"]
    for protocol in (2, 4):
        got = read(pickle.dumps({"x": part, "y": (part, part)}, protocol))
        assert got["x"] is got["y"][0] is got["y"][1]


@pytest.mark.parametrize("protocol", [2, 4])
def test_values_that_contain_themselves(protocol):
    loop = {}
    loop["me"] = ([loop], loop)
    got = read(pickle.dumps(loop, protocol))
    assert got["me"][0][0] is got is got["me"][1]
    knot = ([],)  # its pickle drops a tuple that was begun: POP, POP_MARK
    knot[0].extend([knot, 1, 2, 3])
    assert read(pickle.dumps(knot, protocol))[0][1:] == [1, 2, 3]
    knot = ([], 1, 2, 3)
    knot[0].append(knot)
    assert read(pickle.dumps(knot, protocol))[1:] == (1, 2, 3)


def test_text_opcodes_of_old_pickles():
    assert read(b"(lp0\nI7\naL8L\naF1.5\naI01\naVu\\u00e4\naS'b'\nag0\na.")[:6] == [
        *(7, 8, 1.5, True, "uä", "b"),
    ]
    assert read(b"(S'a'\nI1\nd.") == {"a": 1}
    assert read(b"\x80\x02U\x02\xe4bT\x01\0\0\0c\x86.") == ("äb", "c")


def test_the_position_is_behind_the_pickle():
    file = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps("b", 5) + b"rest")
    assert (read_pickle(file, {}), read_pickle(file, {}), file.read()) == ([1], "b", b"rest")


def test_known_names_are_called_with_their_arguments():
    known = {"a.B": lambda arguments: ("made", arguments), "a.C": 5}
    for call in (
        b"ca\nB\n(K\x01K\x02tR.",
        b"ca\nB\nK\x01K\x02\x86\x81.",
        b"ca\nB\nK\x01K\x02\x86RNb.",
    ):
        assert read(call, known) == ("made", (1, 2))
    assert read(b"\x8c\x01a\x8c\x01C\x93.", known) == Global("a.C", 5)


def test_objects_stored_elsewhere():
    assert read(b"K\x07\x85Q.", persistent=lambda identity: ("found", identity)) == ("found", (7,))
    assert "stored elsewhere" in failure(b"K\x07Q.")


def test_sets_and_unknown_objects_are_passed_over():
    known = {"__builtin__.set": opaque, "argparse.Namespace": opaque}
    for protocol in (2, 4):
        assert read(pickle.dumps([{1, 2}, 3], protocol), known) == [OPAQUE, 3]
    assert read(pickle.dumps(frozenset([1]), 4)) is OPAQUE


HOSTILE = {
    "os.system": b"cos\nsystem\nX\x02\0\0\0id\x85R.",
    "builtins.eval": b"\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(ca\nB\nX\x08\0\0\0__dict__tR.",
    "a.B.__globals__": b"\x8c\x01a\x8c\x0dB.__globals__\x93.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_names_are_refused(name):
    text = failure(HOSTILE[name], {"a.B": opaque})
    assert f"it asks for {name}, and only tensors can be rebuilt" in text


def test_nothing_runs(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    for protocol in range(2, 6):
        failure(pickle.dumps([1, {"a": Bomb()}], protocol))
    assert list(tmp_path.iterdir()) == []


DAMAGED = {
    "nothing": (b"", "exhausted"),
    "no end": (b"\x80\x02K\x01", "beyond byte 4: pickle exhausted"),
    "unknown opcode": (b"\x80\x02\xff.", "unknown"),
    "empty stack": (b"\x80\x02.", "empty stack"),
    "no mark": (b"K\x01t.", "empty stack"),
    "below the mark": (b"}(K\x01K\x02s.", "empty stack"),
    "tuple of too few": (b"K\x01\x86.", "empty stack"),
    "memo of nothing": (b"q\0.", "empty stack"),
    "unknown memo": (b"h\x05.", "stored under number 5"),
    "huge memo": (b"K\x01p99999999999\n.", "32 bits"),
    "negative memo": (b"K\x01p-1\n.", "32 bits"),
    "call of a text": (b"X\x02\0\0\0id)R.", "not a function"),
    "call of a constant": (b"ca\nC\n)R.", "not a function"),
    "arguments in a list": (b"ca\nB\n]R.", "not a function"),
    "name of a number": (b"\x8c\x01aK\x01\x93.", "not a text"),
    "append to a dict": (b"}K\x01a.", "not a list"),
    "item of a list": (b"]K\x01K\x02s.", "not a dict"),
    "item of a tuple": (b"K\x01\x85K\x01K\x02s.", "not a dict"),
    "key without value": (b"}(K\x01u.", "no value"),
    "key is a tuple": (b"}K\x01\x85Ns.", "a tuple is the key"),
    "key is a list": (b"(]Nd.", "a list is the key"),
    "key is a global": (b"}ca\nC\nNs.", "a Global is the key"),
    "key is a long integer": (b"}\x8a\x09\0\0\0\0\0\0\0\0\x01Ns.", "65 bits"),
    "long integer": (b"\x8a\xff" + b"\x01" * 255 + b".", "2033 bits"),
    "longer integer": (b"\x8b\0\0\1\0" + b"\x01" * 65536 + b".", "bits"),
    "decimal integer": (b"L" + b"9" * 100_000 + b"\n.", "digits"),
    "not UTF-8": (b"X\x01\0\0\0\xff.", "utf-8"),
    "text of 2**63 bytes": (b"\x8d" + struct.pack("<Q", 2**63 - 1) + b"a.", "only 2 remain"),
    "text of 2**64 bytes": (b"\x8d" + struct.pack("<Q", 2**64 - 1) + b"a.", "sys.maxsize"),
    "bytes of 4 GB": (b"B\xff\xff\xff\xffa.", "only 2 remain"),
    "negative length": (b"\x8b\xff\xff\xff\xff.", "< 0"),
    "long and without quotes": (b"S" + b"a" * 10_000 + b"\n.", "no string quotes"),
    "odd escape": (b"S'\\d'\n.", "escape"),
    "other opcodes": (b"(i__main__\nX\n.", "INST is not an instruction"),
    "refused": (b"ca\nD\n.", r"a doodle cannot be read \(a.D\)"),
    "name of several lines": (b"\x8c\x02a\n\x8c\x03b\rc\x93.", r"asks for a\\n.b\\rc,"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", DAMAGED)
def test_damaged(case):
    content, text = DAMAGED[case]
    known = {"a.B": opaque, "a.C": 5, "a.D": Refused("a doodle")}
    with pytest.raises(PickleError, match=text):
        read(content, known)
    failure(content, known)


def test_cut_short_everywhere():
    content = pickle.dumps({"a": [1, (2.5, "b"), b"c"], "d": {3: -(2**70)}}, 4)
    for n in range(len(content)):
        failure(content[:n])


def test_errors_of_the_functions_are_reported():
    def angry(arguments):
        raise ValueError("not like this")

    assert "beyond byte 7: not like this" in failure(b"ca\nB\n)R.", {"a.B": angry})


BOMBS = {
    "marks": b"(" * 2_000_000,
    "dictionaries": b"}" * 2_000_000 + b".",
    "nested tuples": b")" + b"\x85" * 400_000 + b".",
    "nested lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "shared tuples": b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(200)) + b".",
    "memo": b"}" + b"".join(b"r" + struct.pack("<I", i << 12) for i in range(200_000)) + b".",
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs(case):
    """Small files that would take for ever, or the stack of a recursive reader."""
    if case in ("marks", "dictionaries"):
        assert "more than 500000 instructions" in failure(BOMBS[case])
    else:
        assert isinstance(read(BOMBS[case]), tuple | list | dict)
