"""How tests run the program."""

from sklearn_pyraug.cli import main

# Options of a training as brief as can be.
QUICK = [
    *("--latent-dim", "2", "--device", "cpu"),
    *("--set", "max_epochs=2", "--set", "encoder__hidden_layer_sizes=8"),
]


def run(*arguments):
    """Run a command that has to succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def failure(capsys, status, *arguments):
    """Run a command that has to fail and return its one line."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if ": note: " not in line]
    assert line.startswith("sklearn-pyraug: error: ")
    return line
