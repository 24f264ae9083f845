"""Decompress gzip, bzip2, xz and Zstandard files. After damage, resume at the next member."""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

# Maximum output per call, for decompressors that support it.
_MAX_OUTPUT = 2**20
_BLOCK = 2**17
# Length of the longest magic number.
_MAGIC_LENGTH = 10
# Damage may be detected this many bytes late, so search that far back for the next member.
_LOOK_BACK = 2**16


class Damage(NamedTuple):
    """A gap in decompressed data.

    reason (str): Description of the damage.
    is_cut (bool): Whether the preceding line may be incomplete.
    """

    reason: str
    is_cut: bool = True


@dataclass(frozen=True)
class Codec:
    """A compression format.

    name (str): Its name.
    suffix (str): The suffix of file names.
    magic (re.Pattern[bytes]): The start of a member, as long as it is fixed.
    prefix (re.Pattern[bytes]): The start of a member where one is expected.
    start (Callable[[], Any]): Create a decompressor for one member.
    errors (tuple[type[Exception], ...]): Errors that damaged data raises.
    step (int): Number of bytes to decompress at a time, which bounds memory use.
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

    # Files compressed with long windows need up to 2 GB.
    return zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        import zstandard
    except ImportError:
        return ()
    return (zstandard.ZstdError,)


def _pattern(text: bytes) -> re.Pattern[bytes]:
    return re.compile(text, re.DOTALL)


_CODECS = (
    Codec(
        "gzip",
        ".gz",
        _pattern(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]"),
        _pattern(rb"\x1f\x8b"),
        lambda: zlib.decompressobj(wbits=31),
        (zlib.error,),
        2**14,
    ),
    Codec(
        "bzip2",
        ".bz2",
        _pattern(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
        _pattern(rb"BZh"),
        bz2.BZ2Decompressor,
        (OSError, ValueError),
        2**14,
    ),
    Codec(
        "xz",
        ".xz",
        _pattern(rb"\xfd7zXZ\x00\x00[\x00\x01\x04\x0a]"),
        _pattern(rb"\xfd7zXZ\x00"),
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
        (lzma.LZMAError,),
        2**14,
    ),
    Codec(
        "Zstandard",
        ".zst",
        _pattern(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        _pattern(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        _zstd_start,
        _zstd_errors(),
        # Four bytes can encode a block of 128 KiB.
        2**8,
    ),
)
CODECS = {codec.suffix: codec for codec in _CODECS}


def find_codec(name: str, head: bytes) -> Codec | None:
    """Detect the compression of a file from its first bytes, or else from its name.

    name (str): The file's name.
    head (bytes): Its first bytes.
    RETURNS (Optional[Codec]): The format, or None if the file isn't compressed.
    """
    for codec in CODECS.values():
        if codec.magic.match(head):
            return codec
    return next((codec for codec in CODECS.values() if name.lower().endswith(codec.suffix)), None)


def decompress(raw: IO[bytes], codec: Codec) -> Iterator[bytes | Damage]:
    """Decompress all members of a file.

    raw (IO[bytes]): The file. It must be seekable.
    codec (Codec): Its format.
    YIELDS (bytes | Damage): The data, with a Damage where some of it is missing.
    """
    position = 0
    while not _is_padding(raw, position):
        raw.seek(position)
        start: int | None = position
        if not codec.prefix.match(raw.read(_MAGIC_LENGTH)):
            yield Damage(f"the data from byte {position:,} isn't {codec.name} data", is_cut=False)
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
    """Return whether only zeros follow, which pad tapes, or nothing."""
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
    """Yield the data of a member. Return the position of its end and an error message, if any."""
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
            # The failed call discarded the data before the damage.
            return (yield from _read_to_damage(raw, codec, start, position, done))
        position += len(block)
    return position - len(stream.unused_data), ""


def _read_to_damage(
    raw: IO[bytes], codec: Codec, start: int, failed: int, done: int
) -> Generator[bytes, None, tuple[int, str]]:
    """Decompress a member again, byte by byte from the failed block."""
    raw.seek(start)
    stream = codec.start()
    position = start
    found = bytearray()
    reason = "the file ends here"
    try:
        while block := raw.read(max(min(codec.step, failed - position), 1)):
            # A wrong checksum is detected together with the last byte of a block.
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
    """Decompress a block into chunks of limited size."""
    if not hasattr(stream, "needs_input"):
        yield stream.decompress(data)
        return
    yield stream.decompress(data, max_output)
    while not (stream.needs_input or stream.eof):
        yield stream.decompress(b"", max_output)


class ChunkedFile(io.RawIOBase):
    """A file of chunks. Reading stops once at each Damage and then continues after it.

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
    """Return why reading stopped, and let the file continue.

    file (IO[bytes]): The file.
    RETURNS (Optional[Damage]): The damage, or None at the end of the file.
    """
    raw = getattr(file, "raw", None)
    if not isinstance(raw, ChunkedFile):
        return None
    found, raw.damage = raw.damage, None
    return found
