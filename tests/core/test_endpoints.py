"""The setting `endpoints` is read strictly, and says no secret where it is wrong."""

import pytest

from glmcore.core.endpoints import Endpoint, read_endpoints, split_name
from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.settings import Settings

LAB = Endpoint("lab", "http://host:8000/v1")


def test_servers_are_read_with_the_place_of_their_keys():
    (lab, far) = read_endpoints(Settings(endpoints=("lab=http://host:8000/v1/", "far-1 = https://x.org/v1")))
    assert (lab, far.url) == (LAB, "https://x.org/v1")
    assert far.key_variable == "GLMCORE_ENDPOINT_KEY_FAR_1"
    assert far.key({"GLMCORE_ENDPOINT_KEY_FAR_1": " k "}) == "k" and lab.key({}) is None


@pytest.mark.parametrize(
    "entry",
    [
        "http://host/v1",
        "la b=http://host/v1",
        "lab=host:8000",
        "lab=ftp://host/v1",
        "lab=http:///v1",
        "lab=http://host:port/v1",
        "lab=http://[::1/v1",
        "lab=http://host/v1?key=secret",
        "lab=http://me:secret@host/v1",
        "lab=http://ho st/v1",
        "secret",
    ],
)
def test_what_is_no_address_of_a_server_is_refused_without_repeating_it(entry):
    with pytest.raises(ConfigError) as refused:
        read_endpoints(Settings(endpoints=(entry,)))
    assert "endpoints" in str(refused.value) and "secret" not in str(refused.value)


def test_names_are_told_apart_by_their_keys():
    with pytest.raises(ConfigError, match="there twice"):
        read_endpoints(Settings(endpoints=("a-b=http://x/v1", "A_B=http://y/v1")))


def test_servers_need_time_to_answer():
    with pytest.raises(ConfigError, match="endpoint_timeout_seconds"):
        read_endpoints(Settings(endpoints=("a=http://x/v1",), endpoint_timeout_seconds=0))


def test_names_lead_to_their_server():
    assert split_name("org/chat:8b@lab", [LAB]) == ("org/chat:8b", LAB)
    assert split_name("chat@other", [LAB]) is None and split_name("chat", [LAB]) is None
    assert split_name("@lab", [LAB]) is None
    with pytest.raises(NotFoundError, match="another server"):
        split_name("chat@far@lab", [LAB])
