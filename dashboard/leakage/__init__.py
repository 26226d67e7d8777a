"""The page Leakage lab: `page` draws it, `data` reads its results, `figures` draws arrays."""
