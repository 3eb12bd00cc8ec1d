"""The stacked classifier: what it says of a row unseen, and what it needs."""

import numpy as np
import pytest

from app.inference.local import stacking
from app.inference.local.selective import calibration_error
from app.inference.local.stack import MEAN
from app.inference.local.views import MANY, Floats, Texts, View, words

MATTERS = ["invoice refund payment", "password login account", "parcel courier delivery"]


def desk(rows: int, *, noise: float) -> tuple[Texts, list[str]]:
    """Texts of three matters; a part of the labels has nothing to do with the text."""
    chance = np.random.default_rng(5)
    matter = chance.integers(3, size=rows)
    words = [f"{MATTERS[kind]}\ncase {chance.integers(50)} of {chance.integers(50)}" for kind in matter]
    label = np.where(chance.random(rows) < noise, chance.integers(3, size=rows), matter)
    vectors = np.eye(3)[matter] + 0.1 * chance.normal(size=(rows, 3))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Texts(words, unit), [f"L{number}" for number in label]


def quiet(part: str) -> None:
    assert part


def test_what_a_regression_says_of_rows_unseen_is_what_one_without_them_says() -> None:
    chance = np.random.default_rng(2)
    vectors = chance.normal(size=(30, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (vectors @ vectors.T).astype(np.float32)
    wanted = np.eye(2, dtype=np.float32)[chance.integers(2, size=30)]
    weights = chance.uniform(0.5, 2, size=30).astype(np.float32)
    kernel = stacking._Kernel(MEAN, "squared", 0.3, even=True)
    folds = np.arange(30) % 10
    rest, aside = np.flatnonzero(folds > 0), np.flatnonzero(folds == 0)
    inner = cosines[np.ix_(rest, rest)]
    _, unseen = stacking._ridge(kernel, cosines, cosines, wanted, weights, folds)
    without, _ = stacking._ridge(kernel, inner, inner, wanted[rest], weights[rest], folds[rest])
    assert unseen[aside] == pytest.approx(cosines[np.ix_(aside, rest)] ** 2 @ without, abs=1e-4)


def test_a_row_set_aside_is_seen_with_the_terms_that_the_others_know() -> None:
    chance, rows = np.random.default_rng(3), MANY + 40
    texts = [
        " ".join(chance.choice(["tea", "milk", "rum", "ale", "port", "gin", "cola", "soda"], 3)) for _ in range(rows)
    ]
    folds = np.arange(rows) % 20
    texts[0], texts[20], texts[1] = "tea shared0 own0", "tea shared0 outside0", "milk outside0"
    view = View.fit(words, texts, 1000)
    seen = view.unseen(folds)
    for fold in (0, 1):
        inside = np.flatnonzero(folds == fold)
        # Terms that are known by two texts of the same fold alone are unknown to the others.
        without = View.fit(words, [text for text, one in zip(texts, folds, strict=True) if one != fold], 1000)
        for row in inside:
            known = set(without.vocabulary.known).intersection(words(texts[row]))
            of_row = seen[[row]]
            assert {
                view.vocabulary.known[term] for term, value in zip(of_row.indices, of_row.data, strict=True) if value
            } == known
            assert np.linalg.norm(of_row.data) == pytest.approx(1)


def test_labels_that_are_partly_chance_get_a_confidence_that_says_so() -> None:
    texts, labels = desk(320, noise=0.3)
    learned, others = np.arange(180), np.arange(180, 320)
    found, _ = stacking.learn(texts.take(learned), labels[:180], quiet)
    probabilities = found.probabilities(texts.take(others))
    correct = np.asarray(found.labels)[probabilities.argmax(axis=1)] == np.asarray(labels[180:])
    assert correct.mean() > 0.7
    assert calibration_error(probabilities, correct) < 0.15
    assert found.threshold == float("inf")


def test_many_rows_are_judged_by_fewer_regressions(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = desk(120, noise=0)
    monkeypatch.setattr(stacking, "FEW", 100)
    said: list[str] = []
    found, _ = stacking.learn(texts, labels, said.append)
    assert "judge 4 of 4" in said
    assert (found.probabilities(texts).argmax(axis=1) == [found.labels.index(label) for label in labels]).all()
    assert found.threshold < 1


def test_texts_that_share_no_word_and_labels_by_chance_give_no_threshold() -> None:
    chance = np.random.default_rng(1)
    words = ["".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 8)) for _ in range(MANY)]
    texts = Texts(words, np.eye(len(words), dtype=np.float32))
    labels = [["a", "b"][kind] for kind in chance.permutation(np.arange(len(words)) % 2)]
    found, _ = stacking.learn(texts, labels, quiet)
    assert found.threshold == float("inf")
    assert found.probabilities(texts).sum(axis=1) == pytest.approx(1)


def test_what_is_reported_is_of_rows_unseen_and_nothing_is_ever_told_for_certain() -> None:
    texts, labels = desk(240, noise=0.3)
    found, unseen = stacking.learn(texts, labels, quiet)
    assert unseen.correct.mean() < 0.9
    learned = found.probabilities(texts)
    assert (np.asarray(found.labels)[learned.argmax(axis=1)] == labels).mean() >= unseen.correct.mean()
    assert calibration_error(unseen.probabilities, unseen.correct) < 0.12
    sure, _ = stacking.learn(*desk(240, noise=0), quiet)
    assert sure.probabilities(texts).max() < 1
