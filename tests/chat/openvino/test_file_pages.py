"""The memory of files that are only read is given back, and they can still be read."""

import mmap
import sys

import psutil
import pytest

from glmcore.chat.openvino.file_pages import hand_back

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
SIZE = 2**20


def resident(path):
    return sum(place.rss for place in psutil.Process().memory_maps() if place.path == str(path))


@pytest.fixture
def mapped(tmp_path):
    """Call it with the name of a file and how it is mapped; all of it is in memory then."""

    def map_file(name, access=mmap.ACCESS_READ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights!" * (SIZE // 8))
        with path.open("r+b") as file:
            places.append(mmap.mmap(file.fileno(), 0, access=access))
        assert places[-1][:].count(b"!") == SIZE // 8
        return path, places[-1]

    places: list[mmap.mmap] = []
    yield map_file
    for place in places:
        place.close()


def test_pages_of_a_read_file_are_dropped_and_come_back(mapped, tmp_path):
    path, content = mapped("model.bin")
    assert resident(path) == SIZE
    hand_back(tmp_path)
    assert resident(path) == 0
    assert content[:] == b"weights!" * (SIZE // 8)


def test_what_was_written_and_other_folders_are_left_alone(mapped, tmp_path):
    changed, content = mapped("changed.bin", mmap.ACCESS_COPY)
    content[:7] = b"changed"
    other, _content = mapped("other/model.bin")
    hand_back(tmp_path)
    assert resident(changed) > 0 and resident(other) == SIZE
    assert content[:8] == b"changed!"
