"""Recipes of the synthetic sound world: `blocks` to build from, a module a family, `scene` around them."""
