"""What figures of several pages share: pure functions from arrays to Plotly.

A figure holds no theme where it can help it: text and background are transparent or neutral.
"""
