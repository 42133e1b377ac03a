"""Jobs as rows of the database and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Row

from glmcore.core.errors import StorageError
from glmcore.jobs.job import Job, JobKind, JobState, Needs, NewJob, StopWish
from glmcore.jobs.processes import ProcessId

_JSON = ("needs", "options", "devices", "reason", "summary")
_KINDS: Mapping[str, type] = {"kind": JobKind, "state": JobState, "stop": StopWish}


def values_of(new: NewJob) -> dict[str, Any]:
    """The columns that a new job brings."""
    values = {entry.name: getattr(new, entry.name) for entry in fields(NewJob)}
    return values | {"needs": json.dumps(asdict(new.needs)), "options": to_json(new.options)}


def to_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def job_of(row: Row[Any]) -> Job:
    """Raises StorageError where somebody has written something else into the row."""
    values = dict(row._mapping)
    try:
        pid, started = values.pop("pid"), values.pop("pid_started")
        values["process"] = ProcessId(pid, started) if pid is not None else None
        for name in _JSON:
            values[name] = None if values[name] is None else json.loads(values[name])
        for name, kind in _KINDS.items():
            values[name] = None if values[name] is None else kind(values[name])
        values["needs"] = Needs(**values["needs"])
        values["devices"] = tuple(values["devices"])
        values["is_archived"] = bool(values["is_archived"])
        return Job(**values)
    except (ValueError, TypeError) as fault:
        raise StorageError(
            "The database holds a damaged job {id} ({fault}); restore a backup of the database or delete the "
            "row.",
            id=row._mapping.get("id"),
            fault=fault,
        ) from fault
