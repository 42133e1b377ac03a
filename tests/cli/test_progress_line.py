"""One line that is written anew as work proceeds."""

import io

from glmcore.cli.progress_line import CLEAR_LINE, ProgressLine


def test_loading_is_one_line_on_a_terminal():
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    line = ProgressLine(terminal)
    for fraction in (0.1, 0.5, 0.5, None):
        line.show("Downloading", fraction)
    line.clear()
    shown = terminal.getvalue().split(CLEAR_LINE)
    assert shown == ["", "Downloading 10% …", "Downloading 50% …", "Downloading …", ""]
