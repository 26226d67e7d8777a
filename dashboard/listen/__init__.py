"""The page Listen: systems side by side, blind tests, and what listeners prefer."""
