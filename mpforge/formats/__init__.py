"""Readers of standard formats; each turns its library's exceptions into mpforge's errors."""
