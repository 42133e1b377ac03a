"""How far a job is, for tables and reports: read from its files, and only what was appended since."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """One moment of a run.

    Attributes:
        stage: the run's own word: "preparing", "running", "stopped", "failed", "finished"; "" before it.
        losses: the training loss, at most SPARK_POINTS of it, the first and the last among them.
        seconds: from its first start to now or its end, without the time between attempts.
    """

    stage: str = ""
    step: int = 0
    total: int | None = None
    epoch: float | None = None
    eta_seconds: float | None = None
    last_loss: float | None = None
    best_loss: float | None = None
    last_eval_loss: float | None = None
    best_eval_loss: float | None = None
    losses: tuple[float, ...] = ()
    seconds: float | None = None
    tokens_per_second: float | None = None
    memory_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "JobProgress":
        """Read back what `to_dict` gave, also after it was JSON; raises TypeError for anything else."""
        return cls(**values | {"losses": tuple(values.get("losses", ()))})
