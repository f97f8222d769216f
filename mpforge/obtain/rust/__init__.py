"""Rust toolchains, crates, and the settings of cargo."""
