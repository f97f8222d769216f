"""What cibuildwheel does with its options, and the same in mpforge's words."""
