"""The plan of a run as data: plan, index, pins, facts, events."""
