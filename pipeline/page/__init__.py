"""The report of a run as a page: figures, charts and tables, without a script or a network."""
