"""In which encoding a text file was written, as far as its bytes tell."""

import codecs
from pathlib import Path

PARQUET = ".parquet"  # has texts of its own
LOOKED_AT = 4 << 20  # bytes; a larger file may change its mind later, which its reader says
CHUNK_BYTES = 1 << 18
USUAL = ("utf-8", "gb18030")


def guess_encoding(path: Path) -> str:
    """UTF-8 wherever it may be; the Chinese one where it is not and every byte fits that one.

    Raises:
        OSError: the file cannot be read.
    """
    if path.suffix.lower() == PARQUET:
        return USUAL[0]
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    return next((encoding for encoding in USUAL if _fits(path, encoding)), USUAL[0])


def _fits(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while file.tell() < LOOKED_AT:
                chunk = file.read(CHUNK_BYTES)
                decoder.decode(chunk, final=not chunk)
                if not chunk:
                    break
        except UnicodeDecodeError:
            return False
    return True
