"""Counts validation rows that the training data nearly contains, and rows that stand in a file twice.

An evaluation on rows that were learnt says nothing. Texts are compared by their pieces of five characters,
which needs no words and so serves Chinese: MinHash (Broder 1997) turns the set of a text's pieces into a
signature of 64 numbers, two of which agree as often as their sets overlap, and bands of these numbers find
the pairs worth comparing. A validation row takes about half a kilobyte, a training row 8 bytes.
"""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PIECE = 5  # characters
PERMUTATIONS = 64
BANDS, BAND = 12, 5  # a pair of 0.8 alike agrees in a whole band 99 times in 100, one of 0.2 once in 250
ALIKE = 0.8  # share of common pieces from which rows are near-duplicates
BATCH_ROWS, BATCH_CHARACTERS = 256, 1 << 18
BLOCK = 2048  # pieces at once, so that a long row needs no more memory
MOST_CANDIDATES = 32  # per row and band: many rows from one template must not be compared all with all
MOST_EXAMPLES = 5

_random = np.random.default_rng(0)  # the same signatures in every run
_FACTORS = _random.integers(0, 1 << 32, (PERMUTATIONS, 1), dtype=np.uint32) | np.uint32(1)
_BAND_FACTORS = _random.integers(0, 1 << 64, BAND, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found; examples are pairs of row numbers, training and validation."""

    in_training: int  # rows that stand before them, letter for letter
    in_validation: int
    near: int  # validation rows much like a training row
    examples: tuple[tuple[int, int], ...]


class DuplicateCounter:
    """Takes the validation rows first, then the training rows, which are compared as they come."""

    def __init__(self) -> None:
        self._training_hashes, self._validation_hashes = array("Q"), array("Q")
        self._validation = _Batch()
        self._training = _Batch()
        self._signatures: list[np.ndarray] = []  # of the validation rows
        self._validation_numbers = array("Q")
        self._index: _Index | None = None
        self._examples: list[tuple[int, int]] = []

    def add_validation(self, number: int, text: str) -> None:
        assert self._index is None, "validation rows come before training rows"
        self._validation_hashes.append(_hash(text))
        self._validation_numbers.append(number)
        self._validation.add(number, text)
        if self._validation.is_full:
            self._signatures.append(signatures(self._validation.take()[1]))

    def add_training(self, number: int, text: str) -> None:
        self._training_hashes.append(_hash(text))
        if self._validation_hashes:
            self._training.add(number, text)
            if self._training.is_full:
                self._compare()

    def count(self) -> Duplicates:
        """What was found in the rows so far."""
        self._compare()
        return Duplicates(
            in_training=_repeated(self._training_hashes),
            in_validation=_repeated(self._validation_hashes),
            near=self._index.num_found if self._index else 0,
            examples=tuple(self._examples),
        )

    def _compare(self) -> None:
        if not self._training.texts:
            return
        if self._index is None:
            self._signatures.append(signatures(self._validation.take()[1]))
            self._index = _Index(np.concatenate(self._signatures), np.array(self._validation_hashes))
            self._signatures = []
        numbers, texts = self._training.take()
        for query, row in self._index.find(signatures(texts)):
            if len(self._examples) < MOST_EXAMPLES:
                self._examples.append((numbers[query], self._validation_numbers[row]))


class _Batch:
    """Rows that wait, as numbers are made from many texts faster than from one."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.texts: list[str] = []
        self._characters = 0

    def add(self, number: int, text: str) -> None:
        self.numbers.append(number)
        self.texts.append(text)
        self._characters += len(text)

    @property
    def is_full(self) -> bool:
        return len(self.texts) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS

    def take(self) -> tuple[list[int], list[str]]:
        taken = self.numbers, self.texts
        self.numbers, self.texts, self._characters = [], [], 0
        return taken


class _Index:
    """The validation rows by the bands of their signatures; equal rows are kept once, with their number."""

    def __init__(self, signatures_NP: np.ndarray, hashes_N: np.ndarray) -> None:
        _, self._rows, self._copies = np.unique(hashes_N, return_index=True, return_counts=True)
        self._signatures = signatures_NP[self._rows]
        keys_BN = _band_keys(self._signatures)
        self._orders_BN = np.argsort(keys_BN, axis=1, kind="stable").astype(np.uint32)
        self._keys_BN = np.take_along_axis(keys_BN, self._orders_BN, axis=1)
        self._is_found = np.zeros(len(self._rows), dtype=bool)

    @property
    def num_found(self) -> int:
        return int(self._copies[self._is_found].sum())

    def find(self, signatures_QP: np.ndarray) -> list[tuple[int, int]]:
        """Mark the rows that are much like a query; query and row of those not found before."""
        keys_BQ = _band_keys(signatures_QP)
        pairs = np.concatenate([self._candidates(keys_Q, band) for band, keys_Q in enumerate(keys_BQ)])
        pairs = pairs[~self._is_found[pairs[:, 1]]]
        agreeing = signatures_QP[pairs[:, 0]] == self._signatures[pairs[:, 1]]
        pairs = pairs[agreeing.mean(axis=1) >= ALIKE]
        pairs = pairs[np.lexsort((self._rows[pairs[:, 1]], pairs[:, 0]))]  # as the rows came
        _, first = np.unique(pairs[:, 1], return_index=True)
        self._is_found[pairs[first, 1]] = True
        return [(int(query), int(self._rows[row])) for query, row in pairs[np.sort(first)]]

    def _candidates(self, keys_Q: np.ndarray, band: int) -> np.ndarray:
        """Pairs of a query and a row with the same key."""
        keys_N = self._keys_BN[band]
        first = np.searchsorted(keys_N, keys_Q, side="left")
        counts = np.minimum(np.searchsorted(keys_N, keys_Q, side="right") - first, MOST_CANDIDATES)
        queries = np.repeat(np.arange(len(keys_Q)), counts)
        places = np.arange(len(queries)) + np.repeat(first - np.cumsum(counts) + counts, counts)
        return np.stack([queries, self._orders_BN[band, places]], axis=1)


def signatures(texts: Sequence[str]) -> np.ndarray:
    """One row of 64 numbers per text; blanks and capitals make no difference."""
    made = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    if not texts:
        return made
    plain = ["".join(text.lower().split()).ljust(PIECE, "\0") for text in texts]
    pieces = _pieces("".join(plain))
    start = 0
    for signature, text in zip(made, plain, strict=True):
        stop = start + len(text) - PIECE + 1
        (pieces[start : min(stop, start + BLOCK)] * _FACTORS).min(axis=1, out=signature)
        for block in range(start + BLOCK, stop, BLOCK):
            rest = (pieces[block : min(stop, block + BLOCK)] * _FACTORS).min(axis=1)
            np.minimum(signature, rest, out=signature)
        start += len(text)
    return made


def _pieces(text: str) -> np.ndarray:
    """A number for the five characters from each place on, well mixed, as signatures only multiply it."""
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    length = len(characters) - PIECE + 1
    mixed = np.zeros(length, dtype=np.uint32)
    for offset in range(PIECE):
        mixed += characters[offset : offset + length]
        mixed *= np.uint32(0x01000193)
        mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    return mixed


def _band_keys(signatures_NP: np.ndarray) -> np.ndarray:
    """One number per band and row: equal where all numbers of the band are."""
    bands_NBW = signatures_NP[:, : BANDS * BAND].reshape(-1, BANDS, BAND).astype(np.uint64)
    keys_NB = (bands_NBW * _BAND_FACTORS).sum(axis=2)
    return np.ascontiguousarray(keys_NB.T)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _repeated(hashes: "array[int]") -> int:
    return len(hashes) - len(np.unique(np.array(hashes)))
