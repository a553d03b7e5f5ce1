"""From a planning problem to a linear program in sparse arrays."""
