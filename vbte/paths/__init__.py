"""Shortest, constrained, candidate and disjoint paths."""
