"""One fine-tuning run in its own process: from a job file to checkpoints, curves and scored answers."""
