"""A model of the job's surroundings, in which everything happens in any order, and the promises that must hold at every moment."""
