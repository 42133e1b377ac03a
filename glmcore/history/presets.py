"""Named presets of an owner: sampling parameters with a system prompt."""

from dataclasses import fields

from sqlalchemy import select

from glmcore.core.errors import DataError, NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history.records import Preset
from glmcore.history.schema import presets
from glmcore.storage.database import Database

NAME_CHARS = 100


class PresetStore:
    """Every method finds the owner's presets only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, owner: str, name: str, params: GenerationParams, system_prompt: str) -> Preset:
        """Store a preset; one of the same name is replaced.

        Raises:
            DataError: the name is blank or too long.
        """
        preset = Preset(name=_checked(name), params=params, system_prompt=system_prompt)
        values = {"params": params, "system_prompt": system_prompt}
        change = presets.update().where(presets.c.owner == owner, presets.c.name == preset.name)
        with self._database.writing() as connection:
            if connection.execute(change.values(values)).rowcount == 0:
                connection.execute(presets.insert().values(owner=owner, name=preset.name, **values))
        return preset

    def list(self, owner: str) -> "list[Preset]":
        columns = [presets.c[field.name] for field in fields(Preset)]
        query = select(*columns).where(presets.c.owner == owner).order_by(presets.c.name)
        with self._database.reading() as connection:
            return [Preset(**row._mapping) for row in connection.execute(query)]

    def delete(self, owner: str, name: str) -> None:
        deletion = presets.delete().where(presets.c.owner == owner, presets.c.name == name)
        with self._database.writing() as connection:
            if connection.execute(deletion).rowcount == 0:
                raise NotFoundError(
                    "There is no preset {name!r} of yours (any more); choose another one.", name=name
                )


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise DataError("The preset has no name; give it one.")
    if len(name) > NAME_CHARS:
        raise DataError(
            "The name of the preset has {count} characters; expected at most {limit}.",
            count=len(name),
            limit=NAME_CHARS,
        )
    return name
