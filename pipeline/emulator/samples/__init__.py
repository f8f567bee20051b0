"""Sample logs of a shop, and what a job must make of them. It works out its expectations by itself; it uses no code of the job."""
