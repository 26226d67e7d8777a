"""The page Leaks: `page` draws it, `data` reads its results, `figures` draws arrays."""
