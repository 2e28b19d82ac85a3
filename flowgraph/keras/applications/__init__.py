"""keras.applications: well-known models for images, as builders.

    model = keras.applications.ResNet50(weights=None, classes=10, input_shape=(64, 64, 3))

Weights are new (``weights=None``), of a file (a path), or of the files that Keras has stored
(``"imagenet"``); nothing is downloaded.

Read next: imagenet_utils.py, vgg.py.
"""

import sys

from flowgraph.keras.applications import (
    densenet,
    imagenet_utils,
    inception_v3,
    mobilenet,
    resnet,
    squeezenet,
    vgg,
    xception,
)
from flowgraph.keras.applications.densenet import DenseNet121, DenseNet169, DenseNet201
from flowgraph.keras.applications.inception_v3 import InceptionV3
from flowgraph.keras.applications.mobilenet import MobileNet, MobileNetV2
from flowgraph.keras.applications.resnet import (
    ResNet50,
    ResNet101,
    ResNet152,
    ResNeXt50,
    ResNeXt101,
)
from flowgraph.keras.applications.squeezenet import SqueezeNet
from flowgraph.keras.applications.vgg import VGG16, VGG19
from flowgraph.keras.applications.xception import Xception

# Keras's names of these modules.
vgg16 = vgg19 = vgg
resnet50 = resnet
mobilenet_v2 = mobilenetv2 = mobilenet
for _name in ("vgg16", "vgg19", "resnet50", "mobilenet_v2", "mobilenetv2"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name]

__all__ = [
    "VGG16",
    "VGG19",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "ResNeXt50",
    "ResNeXt101",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "SqueezeNet",
    "Xception",
    "densenet",
    "imagenet_utils",
    "inception_v3",
    "mobilenet",
    "resnet",
    "squeezenet",
    "vgg",
    "xception",
]
