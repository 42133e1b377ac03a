"""The job file of one fine-tuning run: its fields, reading, checking, writing and help. Needs no torch."""

from glmcore.tuning.job_config.checks import check_files, check_job
from glmcore.tuning.job_config.fields import (
    SCORES,
    SECTIONS,
    DataConfig,
    DeviceConfig,
    EvaluationConfig,
    JobConfig,
    Method,
    ModelConfig,
    SavingConfig,
    TrainingConfig,
    TuningConfig,
    flat_values,
    job_fields,
)
from glmcore.tuning.job_config.help_text import field_help, format_fields
from glmcore.tuning.job_config.problems import JobConfigError, Place
from glmcore.tuning.job_config.reading import JobFile, parse_job, read_job
from glmcore.tuning.job_config.writing import job_text, write_job

__all__ = [
    "SCORES",
    "SECTIONS",
    "DataConfig",
    "DeviceConfig",
    "EvaluationConfig",
    "JobConfig",
    "JobConfigError",
    "JobFile",
    "Method",
    "ModelConfig",
    "Place",
    "SavingConfig",
    "TrainingConfig",
    "TuningConfig",
    "check_files",
    "check_job",
    "field_help",
    "flat_values",
    "format_fields",
    "job_fields",
    "job_text",
    "parse_job",
    "read_job",
    "write_job",
]
