"""What happens in the process of a run: model, batches, trainer, answers, and what is written meanwhile."""
