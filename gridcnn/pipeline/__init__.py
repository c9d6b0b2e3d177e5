"""From raw items to arrays in batches: encoding, cache, fingerprints, splits."""
