"""Groups of two ranks that compute one model together: whichever rank is lost, no client notices."""

import pytest

from server import Skein, kill, until
from streams import disturbed, stop

STREAMS = 50


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


def test_a_follower_killed_is_recovered_alone(split, record_property):
    """Its leader keeps its weights and its streams."""
    leaders = processes(split, 0)
    disturbed(split, STREAMS, kill, processes(split, 1)[:1], "a follower killed", record_property)
    assert processes(split, 0) == leaders


def test_a_follower_that_hangs_is_found_and_recovered_alone(split, record_property):
    leaders = processes(split, 0)
    disturbed(split, STREAMS, stop, processes(split, 1)[:1], "a follower stopped", record_property)
    assert processes(split, 0) == leaders


def test_a_follower_of_each_group_killed(split, record_property):
    """Nobody else has the model: the streams wait for the ranks."""
    leaders = processes(split, 0)
    disturbed(split, STREAMS, kill, processes(split, 1), "a follower of each group killed", record_property)
    assert processes(split, 0) == leaders


def test_a_follower_killed_again_before_it_is_back(split, record_property):
    """Then its group is started anew."""
    before = {0, *processes(split, 1)}

    def kill_twice(follower):
        kill(follower)
        assert until(lambda: {*processes(split, 1)} - before)
        kill(({*processes(split, 1)} - before).pop())

    disturbed(split, STREAMS, kill_twice, processes(split, 1)[:1], "a follower killed twice", record_property)


def test_a_leader_killed_ends_its_group(split, record_property):
    disturbed(split, STREAMS, kill, processes(split, 0)[:1], "a leader killed", record_property)


def test_a_leader_that_hangs_ends_its_group(split, record_property):
    disturbed(split, STREAMS, stop, processes(split, 0)[:1], "a leader stopped", record_property)


def test_both_leaders_killed(split, record_property):
    disturbed(split, STREAMS, kill, processes(split, 0), "both leaders killed", record_property)


def test_the_leader_of_one_group_and_the_follower_of_the_other_killed(split, record_property):
    victims = [processes(split, 0)[0], processes(split, 1)[1]]
    disturbed(split, STREAMS, kill, victims, "a rank of each group killed", record_property)
