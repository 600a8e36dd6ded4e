"""The floor for texts: TF-IDF and logistic or ridge regression, seconds on a CPU.

Knows rows by role; no neural network, no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks._text import texts

if TYPE_CHECKING:
    import numpy as np

DESCRIPTION = (
    "TF-IDF of words (1-2) and of characters within words (2-5), logistic regression with C=10"
)
FEATURES = 50_000
"""Per vectoriser. Banking77 (10,003 rows, 77 classes) fits in 7 s with .912 accuracy."""
INVERSE_REGULARISATION = 10.0
LEAST_PROBABILITY = 1e-12
LIKENESS = 10.0
"""What the cosine of two texts weighs beside single words: ridge regression hardly shrinks it."""


def log_probabilities(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    labels: Sequence[str],
    seed: int,
    roles: Sequence[str] = ("text",),
    make: Callable[[int], Any] | None = None,
) -> dict[str, np.ndarray]:
    """Fit on ``train`` (``roles`` and label) and return log-probabilities by name of ``others``.

    Of several texts a row, each is counted by itself, by what ``make`` makes for so many rows: by
    default words and characters. Arrays are float32 (rows, classes) in
    ``labels``' order. Raises ValueError from scikit-learn when train holds fewer than two classes.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    vectorisers = {role: (make or _vectoriser)(len(train[role])) for role in roles}
    features = _beside(v.fit_transform(texts(train[role])) for role, v in vectorisers.items())
    classifier = LogisticRegression(
        C=INVERSE_REGULARISATION, max_iter=200, tol=1e-3, random_state=seed
    ).fit(features, [str(label) for label in train["label"]])
    columns = [list(labels).index(label) for label in classifier.classes_]
    found = {}
    for name, rows in others.items():
        known = classifier.predict_proba(
            _beside(v.transform(texts(rows[role])) for role, v in vectorisers.items())
        )
        probabilities = np.zeros((len(known), len(labels)))
        probabilities[:, columns] = known
        found[name] = np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(np.float32)
    return found


def log_odds(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    targets: np.ndarray,
    seed: int,
    roles: Sequence[str],
) -> dict[str, np.ndarray]:
    """Fit a logistic regression for each class; return log-odds by name of ``others``.

    ``targets`` and what is returned are float32 (rows, classes). A class that all train rows have,
    or none, keeps its certainty.
    """
    from sklearn.linear_model import LogisticRegression

    from automl.tasks import _floors

    def regression() -> Any:
        return LogisticRegression(
            C=INVERSE_REGULARISATION, max_iter=200, tol=1e-3, random_state=seed
        )

    return _floors.log_odds(regression, *_features(train, others, roles), targets)


def numbers(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    roles: Sequence[str],
) -> dict[str, np.ndarray]:
    """Fit a ridge regression of ``label``; return float32 (rows, 1) by name of ``others``.

    Of two texts a row, how alike they are counts too.
    """
    import numpy as np
    from sklearn.linear_model import RidgeCV

    known, rest = _features(train, others, roles)
    model = RidgeCV(alphas=(0.1, 1.0, 10.0)).fit(known, np.asarray(train["label"]))
    return {name: model.predict(rows).reshape(-1, 1).astype(np.float32)
            for name, rows in rest.items()}  # fmt: skip


def preferences(
    train: tuple[Sequence[str], Sequence[str]],
    others: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    seed: int,
) -> dict[str, np.ndarray]:
    """Fit what makes the first texts preferred to the second; float32 (rows, 2) by name of others.

    A logistic regression of how their features differ, without a bias: Bradley and Terry's model.
    """
    import numpy as np
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    vectoriser = _vectoriser(len(train[0])).fit([*train[0], *train[1]])
    differences = vectoriser.transform(train[0]) - vectoriser.transform(train[1])
    model = LogisticRegression(
        C=INVERSE_REGULARISATION, fit_intercept=False, max_iter=200, tol=1e-3, random_state=seed
    ).fit(vstack([differences, -differences]), np.repeat([True, False], len(train[0])))
    return {
        name: np.stack(
            [vectoriser.transform(side) @ model.coef_[0] for side in pair], axis=1
        ).astype(np.float32)
        for name, pair in others.items()
    }


def weighed(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    roles: Sequence[str],
) -> dict[str, list[Any]]:
    """Return TF-IDF of length 1, by name of ``others`` a sparse matrix for each of ``roles``.

    One vocabulary for all texts, that of ``train``.
    """
    from sklearn.preprocessing import normalize

    known = [text for role in roles for text in texts(train[role])]
    vectoriser = _vectoriser(len(known)).fit(known)
    return {
        name: [normalize(vectoriser.transform(texts(rows[role]))) for role in roles]
        for name, rows in others.items()
    }


def _features(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    roles: Sequence[str],
) -> tuple[Any, dict[str, Any]]:
    """Return TF-IDF of ``train`` and of ``others``; of pairs their likeness too."""
    vectorisers = {role: _vectoriser(len(train[role])) for role in roles}
    shared = _vectoriser(len(train[roles[0]])) if len(roles) > 1 else None
    for role, vectoriser in vectorisers.items():
        vectoriser.fit(texts(train[role]))
    if shared is not None:
        shared.fit([text for role in roles for text in texts(train[role])])

    def of(rows: Mapping[str, Sequence[Any]]) -> Any:
        parts = [v.transform(texts(rows[role])) for role, v in vectorisers.items()]
        return _beside(parts if shared is None else [*parts, _likeness(shared, rows, roles)])

    return of(train), {name: of(rows) for name, rows in others.items()}


def _likeness(vectoriser: Any, rows: Mapping[str, Sequence[Any]], roles: Sequence[str]) -> Any:
    """Return the cosine of each row's first two texts, as a sparse column of that weight."""
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize

    one, other = (normalize(vectoriser.transform(texts(rows[role]))) for role in roles[:2])
    return csr_matrix(one.multiply(other).sum(axis=1) * LIKENESS)


def _beside(parts: Iterable[Any]) -> Any:
    """Return sparse matrices with the same rows as one, in float32."""
    import numpy as np
    from scipy.sparse import hstack

    return hstack(list(parts), format="csr").astype(np.float32)


def letters(rows: int) -> Any:
    """Return what counts one to three letters in a row, for ``rows`` sequences without words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **_settings(rows))


def _vectoriser(rows: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    settings = _settings(rows)
    return FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", **settings)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings)),
        ]
    )


def _settings(rows: int) -> dict[str, Any]:
    return {"sublinear_tf": True, "max_features": FEATURES, "min_df": 2 if rows > 2000 else 1}
