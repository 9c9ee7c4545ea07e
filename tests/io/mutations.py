"""Ways to damage a file at random: each changes some of its bytes, and keeps most."""

import struct

import numpy as np

LENGTHS = (0, 1, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)


def damaged(whole: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One change of a sound file, or two, three, ..., each half as often."""
    data = bytearray(whole)
    for _ in range(rng.geometric(0.5)):
        change = CHANGES[rng.integers(len(CHANGES))]
        data = change(data, others, rng) or bytearray(b"\0")
    return bytes(data)


def flip(data, others, rng):
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return data


def overwrite(data, others, rng):
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] = (0, 255, 127, 128, rng.integers(256))[rng.integers(5)]
    return data


def write_length(data, others, rng):
    """A number of 2, 4 or 8 bytes, or a varint, over what is there."""
    value, i = LENGTHS[rng.integers(len(LENGTHS))], int(rng.integers(len(data)))
    kind = ("<H", "<I", "<Q", ">Q", "varint")[rng.integers(5)]
    if kind == "varint":
        raw = bytearray()
        while value > 127:
            raw.append(value & 127 | 128)
            value >>= 7
        raw.append(value)
    else:
        raw = struct.pack(kind, value % 256 ** struct.calcsize(kind))
    data[i : i + len(raw)] = raw
    return data


def digits(data, others, rng):
    """A long number where there are digits (texts, JSON headers)."""
    places = [i for i, byte in enumerate(data[:4096]) if 48 <= byte < 58]
    if places:
        i = places[rng.integers(len(places))]
        data[i : i + 1] = str(LENGTHS[rng.integers(len(LENGTHS))]).encode()
    return data


def cut(data, others, rng):
    return data[: rng.integers(1, len(data) + 1)]


def remove(data, others, rng):
    i = int(rng.integers(len(data)))
    del data[i : i + int(rng.integers(1, 65))]
    return data


def double(data, others, rng):
    i, n = int(rng.integers(len(data))), int(rng.integers(1, 257))
    times = int(rng.integers(1, 9))
    data[i:i] = data[i : i + n] * times
    return data


def splice(data, others, rng):
    other = others[rng.integers(len(others))]
    i, j, n = (int(rng.integers(m)) for m in (len(data), len(other), 512))
    data[i : i + n] = other[j : j + n]
    return data


CHANGES = (flip, flip, overwrite, write_length, write_length, digits, cut, remove, double, splice)
