"""Stands in for sd-scripts' library."""
