"""Tokenizers of the GLM family that transformers does not bring itself. Knows files and text, no weights."""
