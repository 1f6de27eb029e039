"""The training loop: minibatches, pairs, the net, its state and its records."""
