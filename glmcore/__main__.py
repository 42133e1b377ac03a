"""`python -m glmcore`: the commands of `glmcore.cli`."""

import sys

from glmcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
