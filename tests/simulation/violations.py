"""What may turn out not to hold of a simulated cluster, each with the words for what was seen."""

from __future__ import annotations


class Violation(AssertionError):
    """One of the properties does not hold."""


class BudgetExceeded(Violation):
    """An update or evictions took more than they may."""


class OutOfPlace(Violation):
    """A pod was made, bound or collected where that should not be."""


class WrongStatus(Violation):
    """A status is not what a recount says."""


class QuotaExceeded(Violation):
    """A pod came in that the namespace's quota has no room for."""


class WrongVictim(Violation):
    """A pod gave way to none that is more important."""


class Abandoned(Violation):
    """A pod of a node that is gone was left standing."""


class Lost(Violation):
    """What was acknowledged is not what the store gives back."""


class DecidedOtherwise(Violation):
    """A decision, made again from what was written down of it, is another one."""


class NotConverged(Violation):
    """All faults are mended, and still the cluster does not match its DaemonSets."""


class NotQuiet(Violation):
    """Everything matches, and still somebody writes."""
