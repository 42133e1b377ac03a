"""Columns of equal width, for people."""

from glmcore.cli.table import format_table


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("name", "GiB"), ("a", "12.5"), ("longer", "3.0")]
    assert format_table(rows, right=(1,)) == "name     GiB\na       12.5\nlonger   3.0"


def test_chinese_characters_take_two_places():
    assert format_table([("设备", "x"), ("cuda", "y")]) == "设备  x\ncuda  y"
