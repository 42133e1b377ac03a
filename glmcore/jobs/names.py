"""Names of jobs: an id that is readable, safe as a folder, and known before the job is made."""

import hashlib
import re
import secrets
from collections.abc import Callable

SLUG_CHARACTERS = 32
DIGITS = 4


def job_id_for(name: str, request_id: str | None) -> str:
    """The id that a job of this name and request gets, unless it is taken."""
    return f"{slug(name)}-{_digits(request_id)[:DIGITS]}"


def new_job_id(name: str, request_id: str | None, is_taken: Callable[[str], bool]) -> str:
    """An id that no other job has."""
    digits = _digits(request_id)
    for count in range(DIGITS, len(digits) + 1):
        job_id = f"{slug(name)}-{digits[:count]}"
        if not is_taken(job_id):
            return job_id
    return f"{slug(name)}-{secrets.token_hex(16)}"


def slug(name: str) -> str:
    """Letters, digits and single hyphens; other letters than Latin ones stay, as file systems keep them."""
    words = re.findall(r"\w+", name.lower().replace("_", "-"))
    return "-".join(words)[:SLUG_CHARACTERS].strip("-") or "job"


def _digits(request_id: str | None) -> str:
    seed = request_id if request_id is not None else secrets.token_hex(16)
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()
