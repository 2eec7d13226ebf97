"""Pictures from a generative model: each class a Gaussian over principal components.

The same model that tells classes apart by their likelihood draws them: a class's Gaussian is
sampled, and the sample is taken back from components to pixels (Bishop, Pattern Recognition and
Machine Learning, 2006, sections 4.2 and 12.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from opslayer.capability import Capability, ImageRules
from opslayer.errors import Refused
from opslayer.learners.preprocessing import NUMBERS

Pixels = NDArray[np.float64]
WARMTH = 0.7
"""How far samples stray from their class's mean, as a share of the fitted deviation: at 1 a
Gaussian's tails give pictures that nobody would have drawn."""


def can_draw(model: Pipeline) -> bool:
    """Whether a fitted pipeline holds a Gaussian for each class and a way back to pixels."""
    estimator = model["estimator"]
    back = getattr(model["columns"].named_transformers_.get(NUMBERS), "inverse_transform", None)
    return back is not None and all(
        hasattr(estimator, name) for name in ("means_", "covariance_", "classes_")
    )


def draw(model: Pipeline, subjects: Sequence[str], seed: int) -> Pixels:
    """One picture for each subject, a class by name: n x pixels, in the range of the training.

    Equal models, subjects and seeds give equal pictures. Raises Refused for a class that the model
    never saw, or a model that can't draw.
    """
    if not can_draw(model):
        name = type(model["estimator"]).__name__
        raise Refused(
            f"nothing can be drawn from {name}: use "
            "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis with store_covariance"
        )
    estimator, back = model["estimator"], model["columns"].named_transformers_[NUMBERS]
    places = {str(name): place for place, name in enumerate(estimator.classes_)}
    unknown = sorted(set(subjects) - set(places))
    if unknown:
        raise Refused(f"the model never saw {', '.join(unknown)}")
    rng = np.random.default_rng(seed)
    roots = [_root(covariance) for covariance in estimator.covariance_]
    samples = [
        estimator.means_[place] + WARMTH * roots[place] @ rng.standard_normal(len(roots[place]))
        for place in (places[subject] for subject in subjects)
    ]
    return np.asarray(back.inverse_transform(np.array(samples)), dtype=np.float64)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix whose square is the covariance, also where that is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


def png(pixels: Pixels, rules: ImageRules) -> bytes:
    """A picture's pixels, row by row, as a greyscale PNG."""
    from PIL import Image

    shades = np.clip(pixels / rules.levels, 0, 1).reshape(rules.height, rules.width)
    image = Image.fromarray((shades * 255).round().astype(np.uint8), "L")
    size = (rules.width * rules.scale, rules.height * rules.scale)
    out = BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def subjects_of(prompt: str, capability: Capability) -> list[str]:
    """The classes that a prompt names as whole words, in its order: by their own name, or by one of
    the words that the capability's file gives them."""
    assert capability.image is not None
    meant = {name.casefold(): name for name in capability.classes or ()}
    for name, words in capability.image.words.items():
        meant.update({word.casefold(): name for word in words})
    return [meant[word] for word in re.findall(r"\w+", prompt.casefold()) if word in meant]


def distances(drawn: Pixels, known: Pixels) -> NDArray[np.float64]:
    """The Euclidean distance of each picture to the nearest known one."""
    from sklearn.neighbors import NearestNeighbors

    nearest: Any = NearestNeighbors(n_neighbors=1).fit(known)
    return np.asarray(nearest.kneighbors(drawn)[0][:, 0])
