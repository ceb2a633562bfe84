"""The command job-status: its options, its graph, its runs and their reports."""
