"""Random damage to files, as `fuzz_readers` does it."""

from __future__ import annotations

import random
import re
import struct

NUMBERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31))
REALS = (0.0, -0.0, 1e-45, -1.0, 1e38, 1e300, float("inf"), float("-inf"), float("nan"))
WORDS = (b"0", b"-1", b"99999999999", b"nan", b"inf", b"1e400", b"", b"\0", b"\xff\xfe", b"LOCAL", b"gzip", b"raw")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one to four random changes, most of them near its begin, where headers are."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not changed:
            break
        span = chance.choice((min(len(changed), 64), min(len(changed), 400), len(changed)))
        place = chance.randrange(span)
        kind = chance.randrange(8)
        stated = [match.span() for match in re.finditer(rb"-?[0-9.]+", changed[:600])]
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            packed = struct.pack(chance.choice("<>") + "q", chance.choice(NUMBERS))
            changed[place : place + chance.choice((1, 2, 4))] = packed[: chance.choice((1, 2, 4))]
        elif kind == 2:
            real = chance.choice(REALS)
            packed = struct.pack("<f", real) if abs(real) < 3e38 or real != real else struct.pack("<d", real)
            changed[place : place + len(packed)] = packed
        elif kind == 3:
            del changed[chance.randrange(len(changed)) :]
        elif kind == 4:
            changed[place : place + chance.randrange(9)] = chance.choice(WORDS)
        elif kind == 5:
            changed[place:place] = bytes(changed[place : place + chance.randrange(64)])
        elif kind == 6 and stated:
            changed[slice(*chance.choice(stated))] = chance.choice(WORDS)
        else:
            changed[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(changed)
