"""Spec, host facts, project facts and lock in; index and plan out. The only room that knows both."""
