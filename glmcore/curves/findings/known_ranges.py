"""Training losses that were published for known data sets, so that a run can be compared with them.

Source: the fine-tuning page of the ChatGLM-6B repository (ptuning/README.md, table of results on ADGEN):
training loss 3.00 (fine-tuning), 3.74 (P-tuning v2) and 3.32 (LoRA) after 3,000 steps of 16 rows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Evidence
from glmcore.curves.findings.finding import Finding, Rule, Severity
from glmcore.curves.run import ConfigValue

LEAST_POINTS = 10
NEAR = 0.15  # of the published loss

WITHIN = mark(
    "{metric} is {level:.3g}, as it should be: for {data} the authors of {model} published {published}."
)
ABOVE = mark("{metric} is {level:.3g}, high for {data}: the authors of {model} published {published}.")
BELOW = mark("{metric} is {level:.3g}, low for {data}: the authors of {model} published {published}.")


@dataclass(frozen=True, slots=True)
class KnownRange:
    """Published training losses of a model on a data set, by method."""

    data: str
    model: str
    data_pattern: re.Pattern[str]
    model_pattern: re.Pattern[str]
    losses: Mapping[str, float]


KNOWN_RANGES = (
    KnownRange(
        "ADGEN",
        "ChatGLM-6B",
        re.compile(r"adgen|advertise_?gen", re.IGNORECASE),
        re.compile(r"chatglm-?6b", re.IGNORECASE),
        {"full": 3.00, "ptuning_v2": 3.74, "lora": 3.32},
    ),
)
_DATA_KEYS = ("train_file", "dataset", "dataset_name", "dataset_dir", "train_data", "data_path")
_MODEL_KEYS = ("base_model", "model_name_or_path", "model", "model_path")


def _mentions(config: Mapping[str, ConfigValue], keys: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    return any(isinstance(config.get(key), str) and pattern.search(str(config[key])[:1000]) for key in keys)


def _method(config: Mapping[str, ConfigValue]) -> str | None:
    for key in ("method", "finetuning_type"):
        if isinstance(config.get(key), str):
            return str(config[key])
    return "ptuning_v2" if config.get("pre_seq_len") else None


def _find_range(evidence: Evidence) -> Iterator[Finding]:
    config = evidence.run.config
    curve = evidence.loss(LEAST_POINTS)
    if curve is None:
        return
    for known in KNOWN_RANGES:
        if not _mentions(config, _DATA_KEYS, known.data_pattern):
            continue
        if not _mentions(config, _MODEL_KEYS, known.model_pattern):
            continue
        of_method = known.losses.get(_method(config) or "")
        losses = [of_method] if of_method else sorted(known.losses.values())
        level = curve.outline.last_level
        text, severity = WITHIN, Severity.GOOD
        if level > losses[-1] * (1 + NEAR):
            text, severity = ABOVE, Severity.WARNING
        elif level < losses[0] * (1 - NEAR):
            text, severity = BELOW, Severity.INFO
        published = " – ".join(f"{loss:.2f}" for loss in dict.fromkeys((losses[0], losses[-1])))
        values = {"metric": curve.name, "level": level, "data": known.data, "model": known.model}
        note = Note(text, {**values, "published": published})
        steps = float(curve.outline.steps[-curve.outline.tail]), curve.last_step
        yield Finding("range", severity, note, curve.name, *steps, level)


RANGE = Rule(
    "range",
    mark("Expected range"),
    mark(
        "The latest training loss against losses that were published for the same model and data set, "
        "give or take 15 %; nothing is said of others."
    ),
    _find_range,
)
