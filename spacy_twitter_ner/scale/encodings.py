"""Text in other encodings than UTF-8: detect it, and transcode it to UTF-8."""

import codecs
from collections.abc import Iterator
from typing import IO

from .compression import Damage, take_damage
from .records import BLOCK

# How a file in UTF-8 may start.
UTF8_BOM = codecs.BOM_UTF8
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that are read as they are.
_UTF8 = ("utf-8", "utf-8-sig")
_SAMPLE = 2**12
# Of ASCII text in UTF-16, each second byte is zero.
_MIN_ZEROS = 0.3
_MAX_ZEROS = 0.05
_HANDLER = "spacy-twitter-ner.undecodable"
# Bytes that can't be decoded become this, which is invalid in UTF-8, too.
_INVALID = "\udcff"
# All other errors of UTF-16 and UTF-32 are lone surrogates.
_NO_SURROGATES = ("truncated data", "code point not in range(0x110000)")


def find_encoding(head: bytes, given: str | None) -> str | None:
    """Find out which encoding a file has to be transcoded from.

    head (bytes): The file's first bytes.
    given (Optional[str]): The encoding, if it is known.
    RETURNS (Optional[str]): The encoding; None for UTF-8.
    """
    found = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if given in ("utf-16", "utf-32"):
        # Without a byte order mark, little-endian is what Windows writes.
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
    """Transcode a file to UTF-8. Bytes that can't be decoded become invalid UTF-8, so that their
    record is a reject; lone surrogates become U+FFFD.

    file (IO[bytes]): The file.
    encoding (str): Its encoding.
    YIELDS (bytes | Damage): The text, and damages of the file.
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
    return "\ufffd" if is_utf and error.reason not in _NO_SURROGATES else _INVALID, error.end


codecs.register_error(_HANDLER, _handle)
