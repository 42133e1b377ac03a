"""In which numbers a run computes, and in which it keeps the weights of its base model."""

from typing import TYPE_CHECKING

from glmcore.models.places.devices import choose_dtype
from glmcore.tuning.job_config.fields import JobConfig

if TYPE_CHECKING:
    import torch

BASE_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def choose_precision(job: JobConfig, device: "torch.device") -> str:
    """ "bf16", "fp16" or "fp32"; what is asked for, else the best that the device is fast at."""
    import torch

    if job.training.precision != "auto":
        return job.training.precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if choose_dtype("auto", "cpu", "bfloat16") == "bfloat16" else "fp32"


def base_dtype(job: JobConfig, precision: str) -> str:
    """Weights that learn are float32, whatever is computed in; frozen ones take what is computed in."""
    return "float32" if job.tuning.method == "full" else BASE_DTYPES[precision]
