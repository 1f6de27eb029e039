"""Fixtures and options shared by all tests."""

import sys

import pytest


def pytest_addoption(parser):
    """Add the option that widens the stochastic tests to more seeds."""
    parser.addoption(
        "--random-seeds",
        type=int,
        default=1,
        metavar="N",
        help="run each test that takes `random_seed` with the seeds 0 to N - 1 (default: 1)",
    )
    parser.addoption(
        "--device",
        default="cpu",
        metavar="NAME",
        help="train the quick augmenters of the tests on this device (default: cpu)",
    )


def pytest_configure(config):
    """Set the device, and let tests make near-copies.

    Many train for few epochs or stay close to the rows on purpose; `test_privacy` holds the
    warning against its occasions.
    """
    import shared

    shared.QUICK["device"] = config.getoption("--device")
    config.addinivalue_line("filterwarnings", "ignore:.* are near-copies of:UserWarning")


def pytest_generate_tests(metafunc):
    """Give `random_seed` to the tests that ask for it, once for each seed."""
    if "random_seed" in metafunc.fixturenames:
        metafunc.parametrize("random_seed", range(metafunc.config.getoption("random_seeds")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each process its modules whole, as far as can be, as their tests share fits."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture
def rng():
    """Random numbers, the same in each test."""
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the test's own, in which it runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["auto", "direct"])
def either_decoder(request, monkeypatch):
    """Let `shared.quick` take the default decoder, and in a second run the papers'."""
    import shared

    monkeypatch.setitem(shared.QUICK, "decoder", request.param)
    return request.param


@pytest.fixture(scope="session")
def fitted_default():
    """A quick augmenter of the default decoder, fitted on `shared.table()`; to be read only."""
    import shared

    return shared.quick(decoder="auto").fit(*shared.table())


@pytest.fixture(scope="session")
def fitted_direct():
    """The papers' generator, fitted on `shared.table()`; to be read only."""
    import shared

    return shared.quick(decoder="direct").fit(*shared.table())


@pytest.fixture(params=["auto", "direct"])
def fitted(request):
    """Either of both fitted augmenters, in turn."""
    names = {"auto": "fitted_default", "direct": "fitted_direct"}
    return request.getfixturevalue(names[request.param])


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    """Keep torch to one thread, so that test processes side by side do not crowd the cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_figures_left():
    """Close what a test has drawn, which pyplot would keep."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
