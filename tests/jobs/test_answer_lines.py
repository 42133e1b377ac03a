"""Answered rows are read as they are written, whatever stands between them."""

import math
import os

import pytest

from glmcore.jobs.answer_lines import LONGEST_LINE, AnswerLines
from tests.jobs.answered import answered_row, line

NOT_OURS = [
    b"\x00" * 100 + b"\n",
    b"\xff\xfe{}\n",
    b"[1, 2]\n",
    b"null\n",
    b'"text"\n',
    b"[" * 100_000 + b"\n",
    b'{"row": ' + b"9" * 5000 + b"}\n",
    line(answered_row(True)),
    line(answered_row(-1)),
    line(answered_row(1 << 60)),
    line(answered_row("1")),
    line(answered_row(1, prompt=None)),
    line(answered_row(1, answer=["a"])),
    line(answered_row(1, scores="none")),
    line(answered_row(1, scores=[1])),
    b"{}\n",
    b'{"row": 1\n',
    b"x" * (LONGEST_LINE + (2 << 20)) + b"\n",
]


def texts(answers):
    return [row.answer for row in answers.iter_rows(range(len(answers)))]


def test_rows_are_read_as_they_are_appended_and_a_half_line_waits(tmp_path):
    path = tmp_path / "predictions.jsonl"
    lines = AnswerLines(path)
    assert lines.read() and not len(lines.answers())
    second = line(answered_row(2, answer="二"))
    path.write_bytes(line(answered_row(1, answer="one")) + second[:-9])
    assert lines.read() and texts(lines.answers()) == ["one"]
    with path.open("ab") as file:
        file.write(second[-9:] + line(answered_row(3, score=7.5)))
    assert lines.read()
    assert texts(lines.answers()) == ["one", "二", "a"]
    assert lines.answers().scores["chrf"].tolist() == [50, 50, 7.5]
    assert lines.answers() is lines.answers()


@pytest.mark.parametrize("stranger", NOT_OURS, ids=range(len(NOT_OURS)))
def test_lines_of_strangers_are_counted_and_passed_over(stranger, tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(line(answered_row(1)) + stranger + b"\n \n" + line(answered_row(2)))
    lines = AnswerLines(path)
    assert lines.read()
    assert lines.answers().numbers.tolist() == [1, 2] and lines.num_unreadable == 1
    assert texts(lines.answers()) == ["a", "a"]


def test_what_is_no_number_is_no_score_and_half_characters_are_replaced(tmp_path):
    path = tmp_path / "predictions.jsonl"
    odd = answered_row(1, loss=math.nan, scores={"chrf": 10**400, "bleu": True, "rouge-l": None, "bleu-4": 3})
    path.write_bytes(line(odd).replace(b'"predict": "a"', b'"predict": "\\ud800"'))
    lines = AnswerLines(path)
    assert lines.read()
    scores = {name: column[0] for name, column in lines.answers().scores.items()}
    assert scores.pop("bleu-4") == 3 and all(math.isnan(score) for score in scores.values())
    assert texts(lines.answers()) == ["?"]


def test_a_file_that_is_cut_or_replaced_is_read_anew(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(line(answered_row(1)) + line(answered_row(2)) + b'{"half')
    lines = AnswerLines(path)
    assert lines.read() and len(lines.answers()) == 2
    os.truncate(path, path.stat().st_size - 6)  # as a prediction that goes on does
    with path.open("ab") as file:
        file.write(line(answered_row(3)))
    assert lines.read() and lines.answers().numbers.tolist() == [1, 2, 3]
    old = lines.answers()
    path.write_bytes(line(answered_row(8)))
    assert texts(old)[1:] == ["", ""]  # its lines are not there any more
    assert lines.read() and lines.answers().numbers.tolist() == [8]
    (tmp_path / "new").write_bytes(line(answered_row(9)) + line(answered_row(10)))
    os.replace(tmp_path / "new", path)
    assert lines.read() and lines.answers().numbers.tolist() == [9, 10]
    path.unlink()
    assert lines.read() and lines.answers().numbers.tolist() == [9, 10]
    assert texts(lines.answers()) == ["", ""]


def test_reading_stops_at_its_deadline_and_goes_on(tmp_path):
    path = tmp_path / "predictions.jsonl"
    many = b"".join(line(answered_row(number, answer="x" * 2000)) for number in range(1500))
    path.write_bytes(many)
    lines = AnswerLines(path)
    assert not lines.read(deadline=0) and 0 < len(lines.answers()) < 1500
    while not lines.read(deadline=0):
        pass
    assert lines.answers().numbers.tolist() == list(range(1500))


def test_what_is_no_file_holds_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent"):
        lines = AnswerLines(path)
        assert lines.read() and not len(lines.answers())
