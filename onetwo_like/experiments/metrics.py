"""Which metrics are there?"""

from onetwo_like.experiments.metric import over_samples
from onetwo_like.experiments.text_metrics import exact_match

__all__ = ["exact_match", "over_samples"]
