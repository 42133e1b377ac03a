"""Reads the rows of a data file in bounded memory, whatever its size: CSV, JSON, JSONL, Parquet.

Every fault of a file ends here, in a sentence that says where it is. What the columns mean is for `columns`.
"""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from glmcore.core.errors import DataError
from glmcore.tuning.data.json_files import iter_json
from glmcore.tuning.data.text_files import MAX_ROW_CHARACTERS, iter_lines, open_text

BATCH_ROWS, BUFFER_BYTES = 256, 1 << 20  # of a Parquet file in memory
ROWS_FOR_NAMES = 1000  # JSON rows may leave out what is empty, as the history of a first question


class Row(NamedTuple):
    """One row and where a person finds it: the line it begins on; in an array or a Parquet file, its place
    from 1.
    """

    number: int
    values: dict[str, Any]


def iter_rows(path: Path, encoding: str = "utf-8", limit: int | None = None) -> Iterator[Row]:
    """The first rows of a file, or all of them; blank lines are none.

    Raises:
        DataError: the file cannot be read, has no rows, or is broken; the rows before a broken one are given.
    """
    is_empty = True
    try:
        for number, values in islice(_reader(path)(path, encoding), limit):
            is_empty = False
            yield Row(number, values)
    except FileNotFoundError:
        raise DataError("There is no file {path}; is its name right?", path=path) from None
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise DataError("{path} cannot be read: {fault}.", path=path, fault=reason) from fault
    if is_empty:
        raise DataError("{path} has no rows; there is nothing to read in it.", path=path)


def read_names(path: Path, encoding: str = "utf-8") -> list[str]:
    """The columns that the first thousand rows of a file name, in their order. Raises as `iter_rows`."""
    names: dict[str, None] = {}
    for row in iter_rows(path, encoding, ROWS_FOR_NAMES):
        names.update(dict.fromkeys(row.values))
    return list(names)


def _reader(path: Path) -> "Reader":
    if path.is_dir():
        raise DataError("{path} is a folder; name one file with rows in it.", path=path)
    if path.suffix.lower() not in READERS:
        raise DataError(
            "{path} has no known ending; expected one of {known}.", path=path, known=", ".join(READERS)
        )
    return READERS[path.suffix.lower()]


def _iter_csv(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and values of each row, all of them texts.

    Not through `datasets` 5.2: it reads `007` as a number and `NA` as nothing unless all names are known
    before, loses the first field of each row where the header is one short, and knows no line numbers.
    """
    csv.field_size_limit(MAX_ROW_CHARACTERS)  # of the process; by default a long answer is refused
    with open_text(path, encoding, newline="") as file:
        records = _iter_records(path, csv.reader(iter_lines(path, file), delimiter=delimiter, strict=True))
        _, header = next(records, (0, []))
        names = [name.strip() for name in header]
        twice = [name for name in names if name and names.count(name) > 1]
        if twice:
            raise DataError(
                "{path}: the header names the column {name!r} twice; rename one.", path=path, name=twice[0]
            )
        for line, fields in records:
            if len(fields) > len(names):
                raise DataError(
                    "{path}, line {line}: found {found} fields, the header names {expected}; put a field "
                    "with a separator or a line break in it between double quotes.",
                    path=path,
                    line=line,
                    found=len(fields),
                    expected=len(names),
                )
            fields += [None] * (len(names) - len(fields))
            yield line, dict(zip(names, fields, strict=True))


def _iter_records(path: Path, reader: Any) -> Iterator[tuple[int, list[Any]]]:
    """The fields of each record and the line it begins on."""
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise DataError(
                "{path}, line {line}: the row that begins here is broken ({fault}); is a quotation mark "
                "missing, or not doubled inside a quoted field?",
                path=path,
                line=line,
                fault=fault,
            ) from None
        if fields:
            yield line, fields


def _iter_parquet(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Place and values of each row, a few at a time.

    Not through `datasets` 5.2: it holds a whole row group, which may be the whole file. Of 1,000,000 rows in
    one group (115 MiB) it took 1,350 MiB of memory and read 35,000 rows/s; this way 100 MiB and 300,000.
    """
    path.open("rb").close()  # what the system has to say comes before what the library makes of it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            batches = file.iter_batches(BATCH_ROWS, use_threads=False)
            yield from enumerate((values for batch in batches for values in batch.to_pylist()), start=1)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as fault:
        raise DataError(
            "{path} is no Parquet file, or damaged ({fault}); copy it or make it again.",
            path=path,
            fault=fault,
        ) from fault


Reader = Callable[[Path, str], Iterator[tuple[int, dict[str, Any]]]]
READERS: dict[str, Reader] = {
    ".jsonl": iter_json,
    ".json": iter_json,
    ".csv": partial(_iter_csv, delimiter=","),
    ".tsv": partial(_iter_csv, delimiter="\t"),
    ".parquet": _iter_parquet,
}
