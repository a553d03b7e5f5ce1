"""Columns and rows by which the exact engine plans protected classes."""
