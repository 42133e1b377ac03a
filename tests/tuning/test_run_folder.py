"""Small files that no reader sees half of, and files of lines that only grow."""

import json
import threading

import pytest

from glmcore.tuning.run_folder import LineFile, RunFolder, read_whole, write_whole


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\xff", "[" * 100_000])
def test_what_is_no_object_reads_as_empty(text, tmp_path):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    assert read_whole(tmp_path / "x.json") == {}


def test_what_was_written_is_read_and_nothing_is_left_beside(tmp_path):
    path = tmp_path / "x.json"
    assert read_whole(path) == {}
    write_whole(path, {"a": "好", "b": 1.5})
    write_whole(path, {"a": "好", "b": 2})
    assert read_whole(path) == {"a": "好", "b": 2}
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path, wrong = tmp_path / "x.json", []
    write_whole(path, {"numbers": [0] * 1000})
    ends = threading.Event()

    def read():
        while not ends.is_set():
            numbers = json.loads(path.read_text(encoding="utf-8"))["numbers"]
            if len(set(numbers)) != 1 or len(numbers) != 1000:
                wrong.append(numbers)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        write_whole(path, {"numbers": [number] * 1000})
    ends.set()
    reader.join()
    assert not wrong


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_are_on_disk_as_soon_as_they_are_written(tmp_path):
    path = tmp_path / "sub" / "x.jsonl"
    file = LineFile(path)
    file.append({"a": "好"})
    assert lines_of(path) == [{"a": "好"}]
    file.append({"a": 2})
    assert lines_of(path) == [{"a": "好"}, {"a": 2}]
    file.close()


@pytest.mark.parametrize("half", ['{"a": 3', "{", '{"a": "\x00', "x" * 200_000, "x" * 65_536])
@pytest.mark.parametrize("before", ["", '{"a": 1}\n', '{"a": 1}\n{"a": 2}\n', f'{{"a": "{"y" * 70_000}"}}\n'])
def test_a_half_last_line_is_cut_off_and_nothing_else(before, half, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(before + half, encoding="utf-8")
    file = LineFile(path)
    file.append({"a": 9})
    file.close()
    assert path.read_text(encoding="utf-8") == before + '{"a": 9}\n'


def test_a_run_keeps_everything_in_its_folder(tmp_path):
    folder = RunFolder(tmp_path)
    names = [name for name in vars(RunFolder) if isinstance(getattr(RunFolder, name), property)]
    paths = [getattr(folder, name) for name in names]
    assert len(set(paths)) == len(paths) > 10
    assert all(path.parent == tmp_path for path in paths)
