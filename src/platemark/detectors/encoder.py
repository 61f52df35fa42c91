"""The frozen image encoder behind the origin classifier: CLIP ViT-B/16, of which a layer in the middle is read.

The middle knows more of how a picture was made than the end, which knows what it shows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.detectors.onnx import Weights, open_session
from platemark.imaging.canonical import Picture, levels, whole

Features = NDArray[np.floating[Any]]
WEIGHTS = "origin/clip-vit-b16"
# The ninth of twelve layers, counted from 0. The network's own last output is `LAST`.
LAYER = "/vision_model/encoder/layers.8/Add_1_output_0"
LAST = "image_embeds"
SIZE, LAST_SIZE = 768, 512


def features(picture: Picture, weights: Weights) -> Features:
    """The 768 numbers of the class token in the ninth layer, then the 512 of the last output. `picture` is RGB.

    One picture at a time: the weights are quantised as they run, so a batch would change every answer in it.
    Raises ModelUnavailable.
    """
    session = open_session(weights, LAYER)
    middle, last = session.run([LAYER, LAST], {"pixel_values": levels(whole(picture))})
    return np.concatenate([middle[0, 0], last[0]])
