"""What of a model is tuned, and in which form the tuned weights are kept: LoRA, prefixes, everything."""
