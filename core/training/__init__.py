"""The one way in which small models are trained: in groups, several at once, saved as they go, and resumed.

A family of models (heads, zero-shot models, networks, contrastive models) says which models are trained
together and how a group of them goes through an epoch; `core.training.engine` does the rest.
"""
