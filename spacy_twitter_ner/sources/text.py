"""Read text and JSON lines. Detect encodings and transcode them to UTF-8."""

import codecs
from collections.abc import Iterator
from typing import IO

from .compression import Damage, take_damage
from .records import BLOCK, MAX_LINE, RawRecord

UTF8_BOM = codecs.BOM_UTF8
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that need no transcoding.
_UTF8 = ("utf-8", "utf-8-sig")
_SAMPLE = 2**12
# Every second byte of ASCII text in UTF-16 is zero.
_MIN_ZEROS = 0.3
_MAX_ZEROS = 0.05
_HANDLER = "spacy-twitter-ner.undecodable"
# Replaces undecodable bytes. It is encoded as invalid UTF-8.
_INVALID = "\udcff"
# Errors of UTF-16 and UTF-32 other than lone surrogates.
_OTHER_ERRORS = ("truncated data", "code point not in range(0x110000)")


def find_encoding(head: bytes, given: str | None) -> str | None:
    """Detect the encoding to transcode a file from.

    head (bytes): The first bytes of the file.
    given (Optional[str]): The encoding, if specified.
    RETURNS (Optional[str]): The encoding, or None for UTF-8.
    """
    found = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if given in ("utf-16", "utf-32"):
        # Without a byte order mark, assume little-endian, as Windows writes it.
        return found if found and found.startswith(given) else f"{given}-le"
    if given is not None:
        return None if given in _UTF8 else given
    return found or _guess_utf16(head[:_SAMPLE])


def _guess_utf16(head: bytes) -> str | None:
    even, odd = head[::2], head[1::2]
    if not odd:
        return None
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    if shares[0] <= _MAX_ZEROS and shares[1] >= _MIN_ZEROS:
        return "utf-16-le"
    if shares[1] <= _MAX_ZEROS and shares[0] >= _MIN_ZEROS:
        return "utf-16-be"
    return None


def transcode(file: IO[bytes], encoding: str) -> Iterator[bytes | Damage]:
    """Transcode a file to UTF-8. Undecodable bytes become invalid UTF-8, so that their record is
    rejected. Lone surrogates become U+FFFD.

    file (IO[bytes]): The file.
    encoding (str): Its encoding.
    YIELDS (bytes | Damage): The text, and the damage of the file.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    while True:
        block = file.read1(BLOCK)  # type: ignore[attr-defined]
        damage = None if block else take_damage(file)
        text = decoder.decode(block, final=not block)
        if text:
            yield text.encode("utf8", errors=_HANDLER)
        if damage:
            yield damage
            decoder.reset()
        elif not block:
            return


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        chars = error.object[error.start : error.end]
        return b"".join(
            b"\xff" if char == _INVALID else b"\xef\xbf\xbd" for char in chars
        ), error.end
    if not isinstance(error, UnicodeDecodeError):
        raise error
    is_utf = error.encoding.lower().startswith(("utf-16", "utf-32"))
    return "\ufffd" if is_utf and error.reason not in _OTHER_ERRORS else _INVALID, error.end


codecs.register_error(_HANDLER, _handle)


def read_lines(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read lines without their line ends. Damage of the file yields a record with an error.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The lines.
    """
    number = 0
    while True:
        number += 1
        line = file.readline(MAX_LINE)
        if number == 1:
            line = line.removeprefix(UTF8_BOM)
        if line.endswith(b"\n"):
            yield RawRecord(number, line.rstrip(b"\r\n"))
            continue
        if len(line) == MAX_LINE:
            yield RawRecord(number, line[:200], f"the line is longer than {MAX_LINE:,} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            continue
        # The last line, or the last one before damage.
        damage = take_damage(file)
        if line and (damage is None or not damage.is_cut):
            yield RawRecord(number, line.rstrip(b"\r\n"))
            number, line = number + 1, b""
        if damage is None:
            return
        yield RawRecord(number, line, damage.reason)


def read_json_lines(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read the lines that aren't blank. Streams of tweets send blank lines as keep-alive.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The lines.
    """
    return (record for record in read_lines(file) if record.error or record.data.strip())  # type: ignore[union-attr]
