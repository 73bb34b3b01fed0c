"""Groups of two ranks that compute one model together: whichever rank is lost, no client notices."""

import pytest

from server import Skein, kill, until
from streams import disturbed


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Two groups of two ranks."""
    arguments = ["--tensor-parallel-size", "2", "--replicas", "2", "--threads", "1"]
    with Skein(tmp_path_factory.mktemp("split"), *arguments) as running:
        assert until(lambda: len(running.groups()) == 2)
        yield running


def processes(skein, rank):
    """Of that rank of each group."""
    return [each["pid"] for group in skein.status()["groups"] for each in group["ranks"] if each["rank"] == rank]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_killed_under_streams_is_not_noticed(split, rank, record_property):
    disturbed(split, kill, processes(split, rank)[:1], f"rank {rank} of one of two groups killed", record_property)


def test_a_rank_of_each_group_killed_under_streams(split, record_property):
    """Nobody is left to go on at once: the streams wait for the groups."""
    victims = [processes(split, 0)[0], processes(split, 1)[1]]
    disturbed(split, kill, victims, "a rank of both groups killed", record_property)
