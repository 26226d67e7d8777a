"""The page Class splits: `page` draws it, `data` reads its results, `figures` draws arrays."""
