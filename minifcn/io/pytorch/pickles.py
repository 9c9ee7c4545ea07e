"""Pickles, read without executing anything in them.

A pickle is a program for a small machine with a stack: push this text, make a tuple of whatever
lies above the mark, store it in that dictionary. Two of its instructions are the reason why
unpickling a stranger's file is dangerous: GLOBAL pushes any function of any Python module, found
by its name, and REDUCE calls it. Here a name is looked up in a table that the caller gives, so
that whatever is called is a function of ours, and anything else is an error.
"""

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

OPCODES = 500_000  # of a pickle at most; one of a thousand tensors has 40,000
BITS = 512  # of an integer
VALUES = {  # these opcodes push the value that pickletools has decoded
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),  # Python 2's texts
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}


class PickleError(ValueError):
    """A pickle that is damaged or asks for more than data; the message says where."""


class Refused(str):
    """In a table of known names: one that is known and not supported, and what it stands for."""


@dataclass(frozen=True)
class Global:
    """A name that a pickle asked for, and what the table has for it."""

    name: str
    value: Any


OPAQUE = Global("something that nobody needs", None)


def opaque(arguments: tuple) -> Global:
    """Stand for an object that is of no interest: it is never made."""
    return OPAQUE


def fill(target: dict, pairs: Iterable[tuple[Any, Any]]) -> dict:
    """Store ``pairs`` of keys and values in ``target``, and return it."""
    for key, value in pairs:
        # Plain values alone: hashing a tuple of tuples that share their parts would take for ever,
        # and so would a dictionary of long integers chosen to have equal hashes.
        if not isinstance(key, str | bytes | float | int | None):
            raise PickleError(f"a {type(key).__name__} is the key of a dictionary")
        if isinstance(key, int) and key.bit_length() > 64:
            raise PickleError(f"an integer of {key.bit_length()} bits is the key of a dictionary")
        target[key] = value
    return target


def read_pickle(
    file: BinaryIO,
    known: Mapping[str, Any],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read the pickle at the position of ``file`` and return the value that it describes.

    known: "module.name" -> a function of one tuple, the arguments, that is called where the pickle
    would call that name; or any other value; or ``Refused``. persistent: what turns the id of an
    object that is stored elsewhere into a value. The value consists of dicts, lists, tuples,
    plain values, ``Global`` and whatever the functions return; their ValueErrors are reported.

    Afterwards the file's position is behind the pickle. Raises PickleError alone.
    """
    machine = _Machine(known, persistent)
    reason = "it has no end"
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count == OPCODES:
                raise PickleError(f"it has more than {OPCODES} instructions")
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except IndexError:
        reason = "it takes a value from an empty stack"
    except (ValueError, Warning) as error:  # odd escapes in a text are a DeprecationWarning
        reason = str(error)[:300]
    raise PickleError(f"the pickle cannot be followed beyond byte {file.tell()}: {reason}")


class _Machine:
    """The stack, the marks in it, and the values that were stored to be used again."""

    def __init__(self, known: Mapping[str, Any], persistent: Callable[[Any], Any] | None):
        self.known, self.persistent = known, persistent
        self.stack: list = []
        self.below: list[list] = []  # of every mark, the stack that lies below it
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do what one opcode says. IndexError: the stack has too few values for it."""
        push = self.push
        if name in VALUES:
            if isinstance(argument, int) and argument.bit_length() > BITS:
                raise PickleError(f"an integer has {argument.bit_length()} bits")
            push(argument)
            return
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE":
                push(name == "NEWTRUE")

            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[self.index(argument)] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                if self.index(argument) not in self.memo:
                    raise PickleError(f"nothing was stored under number {argument}")
                push(self.memo[argument])

            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "POP":
                self.stack.pop()
            case "POP_MARK":
                self.above_mark()

            case "EMPTY_TUPLE":
                push(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(self.take(int(name[-1]))))
            case "TUPLE":
                push(tuple(self.above_mark()))

            case "EMPTY_LIST":
                push([])
            case "LIST":
                push(self.above_mark())
            case "APPEND":
                item = self.stack.pop()
                self.top(list).append(item)
            case "APPENDS":
                items = self.above_mark()
                self.top(list).extend(items)

            case "EMPTY_DICT":
                push({})
            case "DICT":
                push(self.filled({}, self.above_mark()))
            case "SETITEM":
                items = self.take(2)
                self.filled(self.top(dict), items)
            case "SETITEMS":
                items = self.above_mark()
                self.filled(self.top(dict), items)

            case "EMPTY_SET":
                push(OPAQUE)
            case "ADDITEMS":
                self.above_mark()
            case "FROZENSET":
                self.above_mark()
                push(OPAQUE)

            case "GLOBAL":
                push(self.look_up(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                names = self.take(2)
                if not all(isinstance(part, str) for part in names):
                    raise PickleError("it asks for something whose name is not a text")
                push(self.look_up(".".join(names)))
            case "REDUCE" | "NEWOBJ":
                function, arguments = self.take(2)
                callable_ = isinstance(function, Global) and callable(function.value)
                if not callable_ or not isinstance(arguments, tuple):
                    raise PickleError("it calls something that is not a function")
                push(function.value(arguments))
            case "BUILD":
                self.stack.pop()  # attributes: nothing here has any
            case "BINPERSID":
                if self.persistent is None:
                    raise PickleError("it asks for something that is stored elsewhere")
                push(self.persistent(self.stack.pop()))

            case _:
                raise PickleError(f"{name} is not an instruction that torch.save writes")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def take(self, count: int) -> list:
        """Remove the ``count`` values on top of the stack and return them, lowest first."""
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def above_mark(self) -> list:
        """Remove the last mark and all that lies above it, and return that."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def top(self, kind: type) -> Any:
        """The value on top of the stack, which is to be of that kind."""
        if type(self.stack[-1]) is not kind:
            raise PickleError(f"it fills something that is not a {kind.__name__}")
        return self.stack[-1]

    def filled(self, target: dict, items: list) -> dict:
        """Store ``items``, in turn a key and its value, in ``target``."""
        if len(items) % 2:
            raise PickleError("a key of a dictionary has no value")
        return fill(target, zip(items[::2], items[1::2], strict=True))

    def index(self, number: int) -> int:
        if not 0 <= number < 2**32:
            raise PickleError("it stores a value under a number of more than 32 bits")
        return number

    def look_up(self, name: str) -> Global:
        value = self.known.get(name)
        shown = repr(name[:100])[1:-1]  # whatever a stranger wrote there stays on one line
        if isinstance(value, Refused):
            raise PickleError(f"{value} cannot be read ({shown})")
        if value is None:
            raise PickleError(
                f"it asks for {shown}, and only tensors can be rebuilt "
                "(of a whole model, save model.state_dict() instead)"
            )
        return Global(name, value)
