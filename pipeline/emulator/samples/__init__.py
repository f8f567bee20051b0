"""Sample logs of a shop, and what a job must make of them."""
