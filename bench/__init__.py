"""Figures: how long the day's commands take, and how much memory they need."""
