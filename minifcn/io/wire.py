"""The wire format of Protocol Buffers, just enough to leave large arrays where they are.

A message is a row of fields, each a key (number * 8 + wire type, a varint) and a value:

    type 0  a varint: seven bits a byte, lowest first, the eighth says that more follow
    type 1  eight bytes
    type 2  a varint n and n bytes: a text, a packed array, another message
    type 5  four bytes

The protobuf library parses a file only as a whole and copies it on the way. ``cut`` takes the
arrays of numbers out of a mapped one, which leaves a message of a few kilobytes for the library,
and says where in the file they are.
"""

from collections.abc import Iterator
from typing import NamedTuple

FIELDS = 1_000_000  # as many as anybody wants to walk through; a VGG-16 has 200


class WireError(ValueError):
    """Bytes that are no message; the text says where."""


class Field(NamedTuple):
    """One field: where its key begins, and where its value begins and ends."""

    number: int
    wire: int
    key: int
    start: int
    end: int


class Reader:
    """Walks through messages in a buffer of bytes, at most ``FIELDS`` fields in all."""

    def __init__(self, buffer):
        self.buffer, self.walked = buffer, 0

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of the message at buffer[start:end]. Raises WireError where there is none."""
        position = start
        while position < end:
            self.walked += 1
            if self.walked > FIELDS:
                raise WireError(f"more than {FIELDS:,} fields")
            key, value = self.varint(position, end)
            number, wire = key >> 3, key & 7
            if wire == 0:
                stop = self.varint(value, end)[1]
            elif wire == 2:
                length, value = self.varint(value, end)
                stop = value + length
            elif wire in (1, 5):
                stop = value + (8 if wire == 1 else 4)
            else:
                raise WireError(f"wire type {wire} at byte {position}")
            if stop > end:
                raise WireError(
                    f"field {number} at byte {position} ends at byte {stop}, but what it is in "
                    f"at byte {end}"
                )
            yield Field(number, wire, position, value, stop)
            position = stop

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """A whole number, and where the byte behind it is."""
        number = 0
        for shift in range(0, 70, 7):
            if position >= end:
                raise WireError(f"the bytes end inside a number at byte {position}")
            byte = self.buffer[position]
            position += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number, position
        raise WireError(f"a number of more than ten bytes ends at byte {position}")

    def cut(self, start: int, end: int, inside: dict, taken: dict) -> bytes:
        """The message at buffer[start:end] without some of its fields.

        inside: field number -> what to do with it: a name: leave it out, and append (start, end)
        of its value to taken[name]; or, for the message in it, another such dict: what is left out
        there goes to the dict taken[field number, how many such fields came before].
        """
        kept, counts = bytearray(), {}
        for field in self.fields(start, end):
            rule = inside.get(field.number) if field.wire == 2 else None
            if rule is None:
                kept += self.buffer[field.key : field.end]
            elif isinstance(rule, str):
                taken.setdefault(rule, []).append((field.start, field.end))
            else:
                index = counts[field.number] = counts.get(field.number, -1) + 1
                deeper = taken.setdefault((field.number, index), {})
                message = self.cut(field.start, field.end, rule, deeper)
                kept += encode(field.number << 3 | 2) + encode(len(message)) + message
        return bytes(kept)


def encode(number: int) -> bytes:
    """A whole number, 0 or more, as a varint."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
