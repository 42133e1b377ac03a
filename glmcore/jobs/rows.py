"""Jobs as rows of the database and back.

A row that holds what this program never writes there, by hand or of a later version, must not hide all
others: it is read as a job that failed and says so, and that can be deleted.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from glmcore.core.errors import StorageError
from glmcore.jobs.folder import job_folder
from glmcore.jobs.job import Job, JobKind, JobState, Needs, NewJob, StopWish
from glmcore.jobs.processes import ProcessId

_JSON = ("needs", "options", "devices", "reason", "summary")
_KINDS: Mapping[str, type] = {"kind": JobKind, "state": JobState, "stop": StopWish}
_TEXTS = ("id", "owner", "name", "method", "base_model", "data", "config", "host", "runner")
_PLAIN: Mapping[str, Any] = {entry.name: entry.type for entry in fields(Job) if entry.name not in _JSON}


def values_of(new: NewJob) -> dict[str, Any]:
    """The columns that a new job brings."""
    values = {entry.name: getattr(new, entry.name) for entry in fields(NewJob)}
    return values | {"needs": json.dumps(asdict(new.needs)), "options": to_json(new.options)}


def to_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def job_of(row: Row[Any]) -> Job:
    """The job of a row; of a damaged one what there is to show."""
    try:
        return _read(dict(row._mapping))
    except (ValueError, TypeError, RecursionError, StorageError) as fault:
        return _damaged(dict(row._mapping), fault)


def _read(values: dict[str, Any]) -> Job:
    pid, started = values.pop("pid"), values.pop("pid_started")
    values["process"] = ProcessId(pid, started) if pid is not None else None
    for name, kind in _KINDS.items():
        values[name] = None if values[name] is None else kind(values[name])
    values["is_archived"] = bool(values["is_archived"])
    wrong = [name for name, kind in _PLAIN.items() if not isinstance(values[name], kind)]
    if wrong:
        raise TypeError(", ".join(wrong))
    job_folder(Path(), values["id"])
    values["needs"] = _read_needs(json.loads(values["needs"]))
    values["devices"] = tuple(map(str, json.loads(values["devices"])))
    values["options"] = dict(json.loads(values["options"]))
    values["reason"], values["summary"] = _object(values["reason"]), _object(values["summary"])
    return Job(**values)


def _read_needs(values: Any) -> Needs:
    needs = Needs(**values)
    types = type(needs.kind), type(needs.count), type(needs.index)
    if types not in ((str, int, int), (str, int, type(None))) or needs.count < 1:
        raise ValueError(values)
    return needs


def _object(text: str | None) -> dict[str, Any] | None:
    """What a job can do without: None where it is something else."""
    try:
        found = json.loads(text or "null")
    except (ValueError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _damaged(found: Mapping[str, Any], fault: Exception) -> Job:
    told = StorageError(
        "The database holds a damaged job {id} ({fault}); restore a backup of the database or delete the "
        "row.",
        id=found["id"],
        fault=str(fault),
    )
    values: dict[str, Any] = {name: str(found[name]) for name in _TEXTS}
    for name in ("created_at", "queued_at"):
        values[name] = found[name] if isinstance(found[name], float) else 0.0
    return Job(
        **values,
        attempt=found["attempt"] if isinstance(found["attempt"], int) else 0,
        is_archived=bool(found["is_archived"]),
        position=0.0,
        needs=Needs(),
        state=JobState.FAILED,
        reason=told.to_dict(),
        summary={},
    )
