"""`python -m glmcore`: the commands of `glmcore.cli`."""

import os
import sys

from glmcore.cli import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's farewell: a thread that still loads or generates sits inside torch, and
    # torch aborts the process (exit code 134) when the interpreter ends under it.
    os._exit(code)
