"""The translation catalogues in `glmcore/locale`: extract from the code, update, compile, check.

`python -m tools.catalogues extract update compile` (`make catalogues`) brings them up to date; what is
then left empty in the .po file wants a translation. `check` (`make check`) lists what is missing.
The .mo file is committed, because users have no compiler for it. Files carry no line numbers and no
dates, so that a diff shows changed texts only.
"""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from glmcore.core import errors
from glmcore.core.i18n import DEFAULT_LANGUAGE, LANGUAGES, LOCALE_DIR

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = LOCALE_DIR / "glmcore.pot"
TRANSLATED = [language for language in LANGUAGES if language != DEFAULT_LANGUAGE]
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = "# Texts of the GLM dashboard; written by tools/catalogues.py, translated by hand."

# Calls whose literal argument is a text to translate -> which argument (None: the first).
KEYWORDS = {
    "_": None,
    "mark": None,
    "_setting": (2,),
    "translate": None,
    "plural": (1, 2),
    "translate_plural": (1, 2),
    **{
        name: None
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.GlmcoreError)
    },
}


def po_path(language: str) -> Path:
    return LOCALE_DIR / language / "LC_MESSAGES" / "glmcore.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


def build_template() -> Catalog:
    """Collect every text of the sources, in the order of files and lines."""
    catalog = _with_plain_header(Catalog())
    sources = [ROOT / "Home.py", *ROOT.glob("pages/*.py"), *ROOT.glob("glmcore/**/*.py")]
    for path in sorted(source for source in sources if source.exists()):
        place = path.relative_to(ROOT).as_posix()
        for line, text, comments, _ in extract_from_file("python", path, KEYWORDS, ("Translators:",)):
            catalog.add(text, None, [(place, line)], auto_comments=comments)
    return catalog


def build_translation(language: str, template: Catalog) -> Catalog:
    """Merge what is translated already into the texts of the template; texts that are gone are dropped."""
    catalog = read_catalogue(language)
    catalog.update(template, no_fuzzy_matching=True)
    return _with_plain_header(catalog)


def _with_plain_header(catalog: Catalog) -> Catalog:
    """Give the catalogue a header that stays the same until a text changes."""
    catalog.header_comment, catalog.project, catalog.version = HEADER, "GLM dashboard", ""
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""
    catalog.fuzzy = False
    catalog.creation_date = catalog.revision_date = NO_DATE
    return catalog


def read_catalogue(language: str) -> Catalog:
    path = po_path(language)
    return read_po(BytesIO(path.read_bytes() if path.exists() else b""), locale=language, domain="glmcore")


def po_bytes(catalog: Catalog) -> bytes:
    """The catalogue as the content of a .po or .pot file."""
    file = BytesIO()
    write_po(file, catalog, width=110, ignore_obsolete=True, include_lineno=False)
    return file.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    """The catalogue as the content of a .mo file."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def extract() -> None:
    TEMPLATE.write_bytes(po_bytes(build_template()))


def update() -> None:
    template = build_template()
    for language in TRANSLATED:
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_bytes(po_bytes(build_translation(language, template)))


def compile_catalogues() -> None:
    for language in TRANSLATED:
        mo_path(language).write_bytes(mo_bytes(read_catalogue(language)))


def problems() -> list[str]:
    """Everything that keeps the catalogues from being complete and up to date, one sentence each."""
    template = build_template()
    found = []
    if not TEMPLATE.exists() or TEMPLATE.read_bytes() != po_bytes(template):
        found.append("glmcore.pot differs from the texts in the code; run make catalogues")
    for language in TRANSLATED:
        catalog = read_catalogue(language)
        if po_bytes(catalog) != po_bytes(build_translation(language, template)):
            found.append(f"{language}: the .po file differs from the template; run make catalogues")
        if not mo_path(language).exists() or mo_path(language).read_bytes() != mo_bytes(catalog):
            found.append(f"{language}: the .mo file is older than the .po file; run make catalogues")
        found += [f"{language}: {fault}" for message in catalog if message.id for fault in faults(message)]
    return found


def faults(message: Message) -> Iterator[str]:
    """What is wrong with one translated text."""
    sources, translations = _forms(message.id), _forms(message.string)
    if not all(translations):
        yield f"no translation of {message.id!r}"
        return
    if message.fuzzy:
        yield f"the translation of {message.id!r} is marked fuzzy"
    expected = set().union(*map(_placeholders, sources))
    for translation in translations:
        try:
            given = _placeholders(translation)
        except ValueError as fault:
            yield f"{translation!r} has broken braces: {fault}"
            continue
        if given != expected:
            yield f"{translation!r} has the placeholders {sorted(given)}, its source {sorted(expected)}"


def _forms(text: str | Iterable[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ("",))


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def check() -> None:
    found = problems()
    if found:
        sys.exit("\n".join([*found, f"{len(found)} problem(s) in the translation catalogues"]))


COMMANDS = {"extract": extract, "update": update, "compile": compile_catalogues, "check": check}

if __name__ == "__main__":
    wanted = sys.argv[1:]
    if not wanted or not set(wanted) <= set(COMMANDS):
        sys.exit(f"usage: python -m tools.catalogues {' | '.join(COMMANDS)} …")
    for name in wanted:
        COMMANDS[name]()
