"""Models that are not here yet: the embedded one from the package index, others from the model hub."""
