"""Models that transformers does not know: ChatGLM-6B, quantized weights, prefixes, streamed loading.

The only part of `glmcore.models` that imports torch at once, so it is imported where a model is built.
"""
