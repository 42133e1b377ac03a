"""Where a model computes: devices, memory, and which of its layers go where."""
