"""One fine-tuning run inside its own process: job config, data, adapters, trainer, metrics.

Empty until its issue; the pages and the engine do not need it.
"""
