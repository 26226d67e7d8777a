"""The page Leakage lab: `page` draws it, a module for each of its parts; `figures` draws arrays."""
