"""Number formats of weights: their names in torch and in safetensors files, and what a number takes."""

# Bytes of one number, by torch's names.
NUMBER_BYTES = {
    "float64": 8,
    "float32": 4,
    "bfloat16": 2,
    "float16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
}
FLOATS = ("float64", "float32", "bfloat16", "float16")
LOADED_FORMATS = ("float32", "bfloat16", "float16")  # those that a model can be loaded in

# Names in safetensors files -> torch's.
TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "BF16": "bfloat16",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
}


def loaded_number_bytes(stored: str, dtype: str) -> int:
    """Bytes in memory of one number that is loaded as `dtype`; what is stored as no float stays as it is.

    Args:
        stored: torch's name of a number format, or one that is not known here, of one byte.
    """
    return NUMBER_BYTES.get(dtype if stored in FLOATS else stored, 1)
