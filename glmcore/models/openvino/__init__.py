"""Models in the form that OpenVINO computes with: which can be had in it, and where that form is kept.

Importing this needs neither torch nor openvino.
"""

from glmcore.models.openvino.about import read_model
from glmcore.models.openvino.fitness import reason_against
from glmcore.models.openvino.model import OpenVinoModel
from glmcore.models.openvino.prepared import prepare

__all__ = ["OpenVinoModel", "prepare", "read_model", "reason_against"]
