"""The page Similarity and accuracy: `page` draws it, `data` reads its results, `figures` draws arrays."""
