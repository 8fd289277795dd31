"""What can be said of arms that were scored on the same examples?"""

from onetwo_like.experiments.statistics.difference import Difference, Mean
from onetwo_like.experiments.statistics.paired import differences, mean_of, paired
from onetwo_like.experiments.statistics.power import examples_needed
from onetwo_like.experiments.statistics.summary import summary

__all__ = ["Difference", "Mean", "differences", "examples_needed", "mean_of", "paired", "summary"]
