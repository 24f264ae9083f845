"""Decompress gzip, bzip2, xz and Zstandard files: up to damage, and on from the next member."""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

# Bytes that a call of a decompressor returns at most, where it can be told.
_MAX_OUTPUT = 2**20
_BLOCK = 2**17
# No magic number is longer.
_MAGIC_LENGTH = 10
# A damaged member may be noticed as late as this, so that the next one is searched from before.
_LOOK_BACK = 2**16


class Damage(NamedTuple):
    """A gap in decompressed data.

    reason (str): What is wrong.
    is_cut (bool): Whether the line before it may be incomplete.
    """

    reason: str
    is_cut: bool = True


@dataclass(frozen=True)
class Codec:
    """A compression format.

    name (str): Its name.
    suffix (str): The suffix of file names.
    magic (re.Pattern[bytes]): How each member starts, in as many bytes as are fixed.
    prefix (re.Pattern[bytes]): What is enough to tell a member where one is expected.
    start (Callable[[], Any]): Make a decompressor for a member.
    errors (tuple[type[Exception], ...]): Raised for damaged data.
    step (int): How many bytes to decompress at a time, which limits the memory.
    """

    name: str
    suffix: str
    magic: re.Pattern[bytes]
    prefix: re.Pattern[bytes]
    start: Callable[[], Any]
    errors: tuple[type[Exception], ...]
    step: int


def _zstd_start() -> Any:
    import zstandard

    # Dumps that are packed with long windows need up to two gigabytes.
    return zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        import zstandard
    except ImportError:
        return ()
    return (zstandard.ZstdError,)


def _make_codecs() -> tuple[Codec, ...]:
    def pattern(text: bytes) -> re.Pattern[bytes]:
        return re.compile(text, re.DOTALL)

    return (
        Codec(
            "gzip",
            ".gz",
            pattern(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]"),
            pattern(rb"\x1f\x8b"),
            lambda: zlib.decompressobj(wbits=31),
            (zlib.error,),
            2**14,
        ),
        Codec(
            "bzip2",
            ".bz2",
            pattern(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
            pattern(rb"BZh"),
            bz2.BZ2Decompressor,
            (OSError, ValueError),
            2**14,
        ),
        Codec(
            "xz",
            ".xz",
            pattern(rb"\xfd7zXZ\x00\x00[\x00\x01\x04\x0a]"),
            pattern(rb"\xfd7zXZ\x00"),
            lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
            (lzma.LZMAError,),
            2**14,
        ),
        Codec(
            "Zstandard",
            ".zst",
            pattern(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
            pattern(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
            _zstd_start,
            _zstd_errors(),
            # Four bytes may stand for a block of 128 KiB.
            2**8,
        ),
    )


CODECS = {codec.suffix: codec for codec in _make_codecs()}


def find_codec(name: str, head: bytes) -> Codec | None:
    """Find out how a file is compressed: by its first bytes, or else by its name.

    name (str): The file's name.
    head (bytes): Its first bytes.
    RETURNS (Optional[Codec]): The format; None for a file that isn't compressed.
    """
    for codec in CODECS.values():
        if codec.magic.match(head):
            return codec
    return next((codec for codec in CODECS.values() if name.lower().endswith(codec.suffix)), None)


def decompress(raw: IO[bytes], codec: Codec) -> Iterator[bytes | Damage]:
    """Decompress all members of a file, one after another.

    raw (IO[bytes]): The file, which can be sought in.
    codec (Codec): Its format.
    YIELDS (bytes | Damage): The data, and where some of it is missing or wrong, why.
    """
    position = 0
    while not _is_padding(raw, position):
        raw.seek(position)
        start: int | None = position
        if not codec.prefix.match(raw.read(_MAGIC_LENGTH)):
            yield Damage(f"what starts at byte {position:,} isn't {codec.name} data", is_cut=False)
            start = _find_member(raw, codec, position + 1)
        if start is None:
            return
        position, reason = yield from _read_member(raw, codec, start)
        if reason:
            yield Damage(f"{codec.name} data is damaged or cut off at byte {position:,}: {reason}")
            found = _find_member(raw, codec, max(start + 1, position - _LOOK_BACK))
            if found is None:
                return
            position = found


def _is_padding(raw: IO[bytes], position: int) -> bool:
    """Whether nothing follows, or zeros, with which tapes are filled up."""
    raw.seek(position)
    while block := raw.read(_BLOCK):
        if block.strip(b"\0"):
            return False
    return True


def _find_member(raw: IO[bytes], codec: Codec, position: int) -> int | None:
    raw.seek(position)
    tail = b""
    while block := raw.read(_BLOCK):
        window = tail + block
        if match := codec.magic.search(window):
            return position - len(tail) + match.start()
        position += len(block)
        tail = window[1 - _MAGIC_LENGTH :]
    return None


def _read_member(
    raw: IO[bytes], codec: Codec, start: int
) -> Generator[bytes, None, tuple[int, str]]:
    """Yield a member's data. Return where it ends, and what is wrong with it, if anything."""
    raw.seek(start)
    stream = codec.start()
    position, done = start, 0
    while not stream.eof:
        block = raw.read(codec.step)
        if not block:
            return position, "the file ends here"
        try:
            for data in _feed(stream, block):
                done += len(data)
                yield data
        except codec.errors:
            # The call that failed has lost the data before the damage.
            return (yield from _read_to_damage(raw, codec, start, position, done))
        position += len(block)
    return position - len(stream.unused_data), ""


def _read_to_damage(
    raw: IO[bytes], codec: Codec, start: int, failed: int, done: int
) -> Generator[bytes, None, tuple[int, str]]:
    """Decompress a member again, byte by byte from the block that failed."""
    raw.seek(start)
    stream = codec.start()
    position = start
    found = bytearray()
    reason = "the file ends here"
    try:
        while block := raw.read(max(min(codec.step, failed - position), 1)):
            # The checksum of a block is found to be wrong together with its last byte.
            for data in _feed(stream, block, 1 if position >= failed else _MAX_OUTPUT):
                found += data[done:]
                done = max(done - len(data), 0)
                if len(found) >= _MAX_OUTPUT:
                    yield bytes(found)
                    found.clear()
            position += len(block)
    except codec.errors as error:
        reason = str(error)
    yield bytes(found)
    return position, reason


def _feed(stream: Any, data: bytes, max_output: int = _MAX_OUTPUT) -> Iterator[bytes]:
    """Decompress a block into pieces that fit the memory."""
    if not hasattr(stream, "needs_input"):
        yield stream.decompress(data)
        return
    yield stream.decompress(data, max_output)
    while not (stream.needs_input or stream.eof):
        yield stream.decompress(b"", max_output)


class ChunkedFile(io.RawIOBase):
    """A file made of chunks. It ends at each damage once, and goes on behind it.

    chunks (Iterator[bytes | Damage]): The data.
    """

    def __init__(self, chunks: Iterator[bytes | Damage]):
        self._chunks = chunks
        self._ready = memoryview(b"")
        self.damage: Damage | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self.damage is None:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            if isinstance(chunk, Damage):
                self.damage = chunk
            else:
                self._ready = memoryview(chunk)
        n = min(len(buffer), len(self._ready))
        buffer[:n], self._ready = self._ready[:n], self._ready[n:]
        return n


def take_damage(file: IO[bytes]) -> Damage | None:
    """Find out why a file ended, and let it go on.

    file (IO[bytes]): The file.
    RETURNS (Optional[Damage]): The damage; None if the file is at its end.
    """
    raw = getattr(file, "raw", None)
    if not isinstance(raw, ChunkedFile):
        return None
    found, raw.damage = raw.damage, None
    return found
