"""Exceptions of OpenVINO's native code, which say where in its source something happened, and then what."""


def fault_line(fault: BaseException) -> str:
    """The first line that says what happened."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (said or lines or [type(fault).__name__])[0]
