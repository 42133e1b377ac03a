"""A value of a job on one line of YAML."""

from pathlib import Path
from typing import Any

import yaml


def yaml_text(value: Any) -> str:
    """The value so that reading gives it again, whatever a text has in it."""
    if isinstance(value, Path):
        return yaml_text(str(value))
    plain = list(value) if isinstance(value, tuple) else value
    texts = plain if isinstance(plain, list) else [plain]
    has_breaks = any(isinstance(text, str) and text and text.splitlines() != [text] for text in texts)
    dumped = yaml.safe_dump(
        [plain],  # in a list, as a single value would get a mark of its end
        default_flow_style=True,
        default_style='"' if has_breaks else None,
        width=float("inf"),
        allow_unicode=True,
    )
    return str(dumped).strip()[1:-1]
