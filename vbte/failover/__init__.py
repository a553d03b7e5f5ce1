"""Failures: what is lost when something goes down, after the devices' own repair and after a re-plan. See README.md."""
