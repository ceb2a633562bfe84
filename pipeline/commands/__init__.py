"""The commands run, replay, dead-letters and schema."""
