"""The small objects that hold rarely used parameters: cloned, searched over, named by strings."""

import pytest
from numpy.testing import assert_array_equal
from shared import quick, table
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from torch import nn

from sklearn_pyraug import (
    HMC,
    MLP,
    Checkpoint,
    Columns,
    Deformation,
    ImageShape,
    IndependentMH,
    LearnedMetric,
    Pipeline,
    PosteriorMetric,
    Residual,
    RHVAEAugmenter,
    RHVAEEmbedder,
    Transfer,
)


def test_the_face_is_narrow():
    assert len(RHVAEAugmenter().get_params(deep=False)) == 26
    assert len(RHVAEEmbedder().get_params(deep=False)) == 13


def test_a_grid_reaches_inside():
    X, y = table((14, 10))
    augmenter = quick(decoder="direct", sampler=HMC(n_leapfrog=2), metric=LearnedMetric())
    pipe = Pipeline([("aug", augmenter), ("clf", SVC())])
    grid = {"aug__sampler__n_steps": [2, 4], "aug__metric__temperature": [0.5, 2.0]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_.named_steps["aug"]
    assert best.sampler.n_steps == search.best_params_["aug__sampler__n_steps"]
    assert best.metric.temperature == search.best_params_["aug__metric__temperature"]


@pytest.mark.parametrize(
    ("name", "text", "component"),
    [
        ("metric", "learned", LearnedMetric()),
        ("metric", "posterior", PosteriorMetric()),
        ("sampler", "hmc", HMC()),
        ("encoder", "mlp", MLP()),
        ("decoder", "residual", Residual()),
        ("output", "transfer", Transfer()),
        ("columns", "auto", Columns()),
        ("sample_shape", "auto", ImageShape()),
    ],
)
def test_a_string_stands_for_its_defaults(name, text, component):
    X, y = table((14, 10))
    by_text, by_object = (
        RHVAEAugmenter(max_epochs=2, random_state=0, device="cpu", **{name: value})
        for value in (text, component)
    )
    assert_array_equal(by_text.fit_resample(X, y)[0], by_object.fit_resample(X, y)[0])


def test_auto_is_the_metric_of_the_decoder():
    augmenter = RHVAEAugmenter().set_params(metric__max_centroids=9)
    assert repr(augmenter.metric) == "PosteriorMetric(max_centroids=9)"
    for decoder in ("direct", nn.Linear(2, 4)):
        augmenter = RHVAEAugmenter().set_params(decoder=decoder, metric__max_centroids=9)
        assert repr(augmenter.metric) == "LearnedMetric(max_centroids=9)"
    augmenter = RHVAEAugmenter().set_params(metric__max_centroids=9, metric__temperature=2.0)
    assert repr(augmenter.metric) == "LearnedMetric(max_centroids=9, temperature=2.0)"
    with pytest.raises(ValueError, match="Invalid parameter 'temperature' for .*PosteriorMetric"):
        RHVAEAugmenter(metric="posterior").set_params(metric__temperature=2.0)
    assert repr(RHVAEEmbedder().set_params(metric__n_leapfrog=2).metric) == (
        "LearnedMetric(n_leapfrog=2)"
    )


@pytest.mark.parametrize(
    ("parameters", "sampler"),
    [
        ({}, "IndependentMH(n_steps=8)"),
        ({"metric__temperature": 2.0}, "HMC(n_steps=8)"),
        ({"decoder": "direct"}, "HMC(n_steps=8)"),
        ({"decoder": "direct", "metric": PosteriorMetric()}, "IndependentMH(n_steps=8)"),
        ({"sampler__n_leapfrog": 2}, "HMC(n_leapfrog=2, n_steps=8)"),
    ],
)
def test_auto_is_the_sampler_of_the_metric(parameters, sampler):
    """A grid over the steps of the default sampler searched those of another one."""
    augmenter = RHVAEAugmenter().set_params(sampler__n_steps=8, **parameters)
    assert repr(augmenter.sampler) == sampler


def test_parameters_of_what_a_string_stands_for_can_be_set():
    augmenter = RHVAEAugmenter(metric="posterior", decoder="deformation", checkpoint="run")
    augmenter.set_params(
        metric__max_centroids=9, decoder__n_neighbors=2, checkpoint__interval=5,
        sample_shape=(3, 8, 8), sample_shape__channels="first", sampler__n_steps=7,
    )  # fmt: skip
    assert repr(augmenter.metric) == "PosteriorMetric(max_centroids=9)"
    assert repr(augmenter.decoder) == repr(Deformation(n_neighbors=2))
    assert repr(augmenter.checkpoint) == repr(Checkpoint("run", interval=5))
    assert repr(augmenter.sample_shape) == repr(ImageShape((3, 8, 8), channels="first"))
    assert repr(augmenter.sampler) == repr(IndependentMH(n_steps=7))
    twin = clone(augmenter)
    twin.set_params(sampler__n_steps=3)
    assert augmenter.sampler.n_steps == 7


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"decoder__n_neighbors": 3}, "decoder='auto' has no .* Set decoder='residual' or"),
        ({"decoder__scale": 0.5}, r"decoder='auto' has no .* own\. Set decoder='deformation', too"),
        ({"sampler": "prior", "sampler__n_steps": 3}, "sampler='prior' has no parameters"),
        ({"lr__x": 3}, r"lr__x cannot be set, because lr=0\.001 has no parameters"),
        ({"output__scale": 2}, "output='auto' has no parameters of its own. Set output='transfer'"),
        ({"sampler__n_step": 3}, "Invalid parameter 'n_step' for estimator HMC"),
        ({"smpler__n_steps": 3}, "Invalid parameter 'smpler'"),
    ],
)
def test_what_has_no_such_parameter_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        RHVAEAugmenter().set_params(**parameters)


def test_invalid_parameters_of_components_are_named_before_training():
    X, y = table((14, 10))
    with pytest.raises(ValueError, match="'n_steps' parameter of HMC must be an int"):
        quick(sampler=HMC(n_steps=0)).fit(X, y)


@pytest.mark.parametrize("parameters", [{"encoder": MLP}, {"decoder": Residual}], ids=str)
def test_a_class_in_place_of_its_instance_is_named(parameters):
    ((name, kind),) = parameters.items()
    match = rf"{name}={kind.__name__} is a class. Pass an instance, {name}={kind.__name__}\(\)"
    with pytest.raises(ValueError, match=match):
        quick(**parameters).fit(*table((14, 10)))


def test_as_published_is_the_papers_generator_one_for_each_label():
    X, y = table((14, 10))
    augmenter = RHVAEAugmenter.as_published(max_epochs=2, random_state=0, device="cpu")
    augmenter.set_params(sampler__n_steps=4, encoder=MLP((8,))).fit(X, y)
    assert augmenter.decoder_ == "direct"
    assert augmenter.history_[0] is not augmenter.history_[1]
    augmenter.sample(2)
    assert all("energy_error" in info for info in augmenter.sampler_info_.values())
    other = RHVAEAugmenter.as_published(latent_dim=3, output="draw")
    assert (other.latent_dim, other.output, other.decoder) == (3, "draw", "direct")
