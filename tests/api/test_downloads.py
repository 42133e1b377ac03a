"""Files that are written while they are fetched."""

from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.testclient import TestClient

from glmcore.api.downloads import Download, begun_parts, download_routes
from glmcore.core.errors import DataError


def client(parts, name: str = "history.json") -> TestClient:
    offered = {"t1": Download(file_name=name, media_type="application/json", parts=parts)}
    return TestClient(Starlette(routes=download_routes(offered.get)))


def test_the_parts_arrive_as_a_file_that_no_browser_opens() -> None:
    answer = client(lambda: iter([b"[1", b",2]"]), "谈话.json").get("/downloads/t1")
    assert answer.content == b"[1,2]"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%E8%B0%88%E8%AF%9D.json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-length" not in answer.headers


def test_parts_are_made_as_they_are_asked_for() -> None:
    made = []

    def parts() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"x" * 10

    begun = begun_parts(Download(file_name="a", media_type="text/plain", parts=parts))
    assert made == [0]
    assert len(b"".join(begun)) == 30 and made == [0, 1, 2]


def test_an_empty_file_is_a_file() -> None:
    answer = client(lambda: iter(())).get("/downloads/t1")
    assert answer.status_code == 200 and answer.content == b""


def test_a_ticket_that_nobody_gave_out_is_refused() -> None:
    answer = client(lambda: iter([b"secret"])).get("/downloads/t2")
    assert answer.status_code == 404 and b"secret" not in answer.content


def test_a_fault_before_the_first_part_is_said() -> None:
    def parts() -> Iterator[bytes]:
        raise DataError("The query {query!r} cannot be understood.", query='"<b>')
        yield b""

    answer = client(parts).get("/downloads/t1")
    assert answer.status_code == 400 and "cannot be understood" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
