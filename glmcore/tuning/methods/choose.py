"""From a job's method to a model with the part that learns."""

from glmcore.models.loaded import LoadedModel
from glmcore.tuning.job_config.fields import JobConfig
from glmcore.tuning.methods.full import tune_full
from glmcore.tuning.methods.lora import tune_lora
from glmcore.tuning.methods.prefix import tune_prefix
from glmcore.tuning.methods.tuned import TunedModel


def tune(loaded: LoadedModel, job: JobConfig) -> TunedModel:
    """Prepare a loaded model for learning; it is changed and belongs to the run from here on.

    Raises:
        ConfigError: method, sizes and model do not go together.
        ModelLoadError: the adapter to go on from is broken, or of another model.
    """
    adapter = job.model.adapter_path
    if job.tuning.method == "lora":
        return tune_lora(loaded, job.tuning, adapter)
    if job.tuning.method == "ptuning_v2":
        return tune_prefix(loaded, job.tuning, adapter)
    return tune_full(loaded, adapter)
