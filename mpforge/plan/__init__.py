"""What will happen, as data: plan, index, pins, facts, events."""
