"""Rests between attempts."""

from app.core.backoff import doubled, spread


def test_each_rest_is_twice_the_one_before_until_the_longest() -> None:
    assert [doubled(failures, first=4, most=20) for failures in range(6)] == [4, 4, 8, 16, 20, 20]


def test_any_number_of_failures_has_a_rest() -> None:
    assert doubled(5000, first=0.05, most=2) == 2
    assert doubled(3, first=0, most=5) == 0


def test_rests_are_spread_over_their_upper_half() -> None:
    rests = {spread(60) for _ in range(20)}
    assert len(rests) > 1
    assert all(30 <= rest <= 60 for rest in rests)
