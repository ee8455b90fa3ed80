"""Bodies: observations to features.

A body is made from the observation space alone, so a class path in a config is enough to plug in another::

    model:
      body:
        class_path: lit_a3c.MLPBody
        init_args: {hidden: [256, 256]}
"""

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.bodies.conv import A3CBody, ConvBody, NatureBody, SmallImageBody, is_image
from lit_a3c.networks.bodies.dict import DictBody, default_body, fitting_body
from lit_a3c.networks.bodies.mlp import MLPBody

__all__ = [
    "A3CBody",
    "Body",
    "ConvBody",
    "DictBody",
    "MLPBody",
    "NatureBody",
    "SmallImageBody",
    "default_body",
    "fitting_body",
    "is_image",
    "orthogonal",
]
