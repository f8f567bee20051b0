"""The verbs of `log2mq events`: they show and edit the event catalogue. The rules of the catalogue are in `pipeline.catalogue`."""
