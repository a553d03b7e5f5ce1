"""The price-directed engine: plans for hundreds of thousands of demands, with proof (see README.md)."""
