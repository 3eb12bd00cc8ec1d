"""The threshold from which an answer may stand without a person."""

import numpy as np
import pytest

from app.inference.local.selective import (
    ENOUGH,
    calibration_error,
    choose_own_threshold,
    choose_threshold,
    figures,
    reliability,
)


def test_a_threshold_is_set_where_enough_answers_are_surely_right() -> None:
    confidence = np.linspace(1, 0, 400)
    correct = confidence > 0.5
    threshold = choose_threshold(confidence, correct)
    covered = confidence >= threshold
    assert correct[covered].mean() >= 0.9
    assert covered.mean() > 0.45


def test_a_handful_of_lucky_rows_sets_no_threshold() -> None:
    assert choose_threshold(np.linspace(1, 0.9, 20), np.full(20, True)) == float("inf")


def test_a_lucky_stretch_sets_no_threshold_and_an_unlucky_one_prevents_none() -> None:
    confidence = np.linspace(0.999, 0.3, 1000)
    lucky = np.arange(1000) % 2 == 0
    lucky[:60] = True
    assert choose_threshold(confidence, lucky) == float("inf")
    calibrated = np.random.default_rng(1).random(1000) < confidence
    calibrated[:3] = False
    covered = confidence >= choose_threshold(confidence, calibrated)
    # Down to 0.8, nine of ten are right on average: that is 28 %.
    assert 0.1 < covered.mean() < 0.35


def test_a_threshold_holds_for_ones_own_rows_however_easy_the_others_are() -> None:
    chance = np.random.default_rng(2)
    confidence = np.concatenate([chance.uniform(0.5, 1, 2000), chance.uniform(0.5, 1, 1000)])
    own = np.arange(3000) >= 2000
    correct = np.where(own, chance.random(3000) < 2.2 * confidence - 1.1, True)
    mine = choose_own_threshold(confidence, correct, own)
    assert choose_threshold(confidence, correct) < 0.8 < mine == choose_threshold(confidence[own], correct[own])
    assert correct[own & (confidence >= mine)].mean() >= 0.9
    assert choose_own_threshold(confidence, ~own, own) == float("inf")


def test_a_few_rows_of_ones_own_raise_a_threshold_above_what_they_contradict() -> None:
    confidence = np.concatenate([np.linspace(1, 0.5, 600), np.linspace(0.9, 0.6, 20)])
    own = np.arange(620) >= 600
    assert own.sum() < ENOUGH
    right = np.full(620, True)
    assert choose_own_threshold(confidence, right, own) == 0.5
    # Wrong below 0.75: two of twelve that reach it would be too many, one is not.
    some = right & (~own | (confidence > 0.75))
    raised = choose_own_threshold(confidence, some, own)
    assert 0.7 < raised < 0.76
    assert some[own & (confidence >= raised)].mean() >= 0.9
    assert choose_own_threshold(confidence, ~own, own) > 0.9


def test_of_nothing_there_is_no_threshold() -> None:
    assert choose_threshold(np.empty(0), np.empty(0, dtype=bool)) == float("inf")


def test_rows_of_one_confidence_are_taken_together() -> None:
    confidence = np.full(100, 0.9)
    assert choose_threshold(confidence, np.arange(100) < 60) == float("inf")
    assert choose_threshold(confidence, np.arange(100) < 99) == 0.9


def test_confidence_that_is_met_by_accuracy_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(probabilities, np.array([True, True, True, False])) == pytest.approx(0)
    assert calibration_error(probabilities, np.full(4, False)) == pytest.approx(0.75)


def test_the_curve_counts_every_answer_in_its_tenth() -> None:
    curve = reliability(np.array([0.31, 0.39, 0.95, 1.0]), np.array([True, False, True, True]))
    assert [(one["least"], one["count"], one["accuracy"]) for one in curve] == [(0.3, 2, 0.5), (0.9, 2, 1.0)]


def test_a_label_that_was_never_learned_is_a_mistake() -> None:
    found = figures(("a", "b"), np.array([[0.9, 0.1], [0.2, 0.8]]), ["a", "new"], threshold=0.85)
    assert (found["accuracy"], found["n"]) == (0.5, 2)
    assert (found["coverage_at_90"], found["selective_accuracy"]) == (0.5, 1.0)


def test_where_nothing_is_covered_there_is_no_selective_accuracy() -> None:
    found = figures(("a", "b"), np.array([[0.9, 0.1]]), ["a"], threshold=float("inf"))
    assert (found["coverage_at_90"], found["selective_accuracy"]) == (0.0, None)
