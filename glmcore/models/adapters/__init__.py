"""Small trained additions to a model: LoRA, prefixes, and the P-tuning checkpoints of 2023."""
