"""Packages of the host's distribution, for any architecture, without root."""
