"""The page Zero-shot: `page` draws it, `data` reads its results, `figures` draws arrays."""
