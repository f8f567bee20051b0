"""The output of a running job for a person or a monitor. It has no secret and no identifier. This room changes nothing in the job."""
