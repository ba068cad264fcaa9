"""How each regularization method is computed in the compiled epoch, one file per method."""
