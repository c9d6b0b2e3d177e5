"""Mutations that know how PNG, JPEG, TIFF and RIFF are made."""

from __future__ import annotations

import struct
from random import Random

from families import Unsuited
from picture_codes import chunk

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
SIDES = (0, 1, 2, 63, 65, 255, 256, 4096, 9459, 9460, 16384, 65535, 65536, 100_000, 2**31 - 1, 2**31, 2**32 - 1)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if not data.startswith(PNG):
        raise Unsuited
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_with_good_checksums(data: bytes, random: Random) -> bytes:
    """Change what is in the chunks of a PNG, their order or their number, and compute their checksums again."""
    chunks = _png_chunks(data)
    how, at = random.randrange(6), random.randrange(len(chunks))
    kind, content = chunks[at]
    if how == 0:
        head = bytearray(chunks[0][1])
        place = random.choice((0, 4))
        head[place : place + 4] = struct.pack(">I", random.choice(SIDES))
        chunks[0] = (b"IHDR", bytes(head))
    elif how == 1:
        head = bytearray(chunks[0][1])
        head[random.randrange(8, 13)] = random.randrange(256)
        chunks[0] = (b"IHDR", bytes(head))
    elif how == 2:
        del chunks[at]
    elif how == 3:
        random.shuffle(chunks)
    elif how == 4 and content:
        changed = bytearray(content)
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        chunks[at] = (kind, bytes(changed))
    else:
        chunks.insert(at, (random.choice((b"IDAT", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"zTXt", b"iCCP")), content))
    return PNG + b"".join(chunk(*each) for each in chunks)


def jpeg_segments_of(data: bytes) -> list[bytes]:
    """Cut a JPEG into its segments; the last holds all scans."""
    if not data.startswith(JPEG):
        raise Unsuited
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(data[at : at + length])
        at += length
    return [*segments, data[at:]]


def jpeg_segments(data: bytes, random: Random) -> bytes:
    """Change sizes, tables or the order of the segments of a JPEG."""
    segments = jpeg_segments_of(data)
    how, at = random.randrange(4), random.randrange(len(segments))
    if how == 0:
        for index, segment in enumerate(segments):
            if segment[1:2] in (b"\xc0", b"\xc1", b"\xc2") and len(segment) > 9:
                side, place = struct.pack(">H", random.choice(SIDES) & 0xFFFF), random.choice((5, 7))
                segments[index] = segment[:place] + side + segment[place + 2 :]
    elif how == 1:
        del segments[at]
    elif how == 2:
        segments.insert(random.randrange(len(segments)), segments[at])
    else:
        changed = bytearray(segments[at])
        changed[random.randrange(min(len(changed), 64))] = random.randrange(256)
        segments[at] = bytes(changed)
    return JPEG + b"".join(segments)


def jpeg_cut_but_ended(data: bytes, random: Random) -> bytes:
    """Cut the pixels of a JPEG short by a seventh or more, and end it as if nothing were missing."""
    if not data.startswith(JPEG):
        raise Unsuited
    start = len(JPEG) + sum(map(len, jpeg_segments_of(data)[:-1]))
    end = data.index(b"\xff\xd9", start)
    return data[: start + random.randint(14, 6 * (end - start) // 7)] + b"\xff\xd9"


def tiff_tags(data: bytes, random: Random) -> bytes:
    """Give a tag of a TIFF another type, count or value."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Unsuited
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    entry = at + 2 + 12 * random.randrange(count)
    tag, kind, number, value = struct.unpack_from(f"{order}HHII", data, entry)
    how = random.randrange(5)
    if how == 0:
        kind = random.choice((0, 1, 2, 3, 4, 5, 7, 12, 16, 255))
    elif how == 1:
        number = random.choice((0, 2, 1000, 2**16, 2**28, 2**31, 2**32 - 1))
    elif how == 2:
        value = random.choice((*SIDES, len(data), at))
    elif how == 3:
        tag = random.choice((256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339, 347))
    else:  # the folder after this one is itself
        after = at + 2 + 12 * count
        return data[:after] + struct.pack(f"{order}I", random.choice((at, 0, 8, len(data)))) + data[after + 4 :]
    return data[:entry] + struct.pack(f"{order}HHII", tag, kind, number, value) + data[entry + 12 :]


def riff_sizes(data: bytes, random: Random) -> bytes:
    """Give a chunk of a RIFF file (WebP) another size."""
    if data[:4] != b"RIFF":
        raise Unsuited
    starts, at = [0], 12
    while at + 8 <= len(data):
        starts.append(at)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    at = random.choice(starts) + 4
    return data[:at] + struct.pack("<I", random.choice((*SIDES, len(data), len(data) - 9))) + data[at + 4 :]
