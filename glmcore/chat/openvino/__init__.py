"""The engine for CPUs, on OpenVINO GenAI: the pipeline in a process of its own, and this end of it."""
