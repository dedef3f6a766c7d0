"""What can go wrong on the way to a style: each message says what happened and what to change."""

from __future__ import annotations


class TrainingFault(Exception):
    """The ways in which the package's steps end badly; nothing is half-done but what the message names."""


class CaptionsRefused(TrainingFault):
    """No pictures, no trigger word that can be used, no weights, or a table that doesn't fit the set."""


class SettingsRefused(TrainingFault):
    """A setting has a value that isn't allowed, or doesn't fit the machine or the set."""


class TrainerFailed(TrainingFault):
    """The trainer ended by itself without a style; the message has its last lines."""


class OutOfTime(TrainingFault):
    """The time allowed is over; what was saved until then stays, and a run with more time goes on from there."""


class Interrupted(TrainingFault):
    """Somebody (or a machine that is taken away) ended it; the next run goes on from the last whole state."""


class EvaluationRefused(TrainingFault):
    """No base model, no style, or one that doesn't fit the other."""
