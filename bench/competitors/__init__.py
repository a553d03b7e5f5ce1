"""What vbte is measured against at scale: one small module each, the same arrays in, flows that can be checked out."""
