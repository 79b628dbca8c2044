"""Coordinate frames: broadcasting transforms, and looking them up.

    self.buffer = Buffer()
    TransformListener(self.buffer, self)
    ...
    base_in_map = self.buffer.lookup_transform("map", "base_link", Time())

The words are tf2's: `lookup_transform(target, source, time)` takes data from source to target.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.errors import (
        ConnectivityException,
        ExtrapolationException,
        InvalidArgumentException,
        LookupException,
        TransformException,
    )
    from dsmq_nodes.tf.apply import (
        do_transform_point,
        do_transform_pose,
        do_transform_pose_stamped,
        do_transform_pose_with_covariance_stamped,
        do_transform_vector3,
    )
    from dsmq_nodes.tf.broadcaster import StaticTransformBroadcaster, TransformBroadcaster
    from dsmq_nodes.tf.buffer import Buffer
    from dsmq_nodes.tf.core import BufferCore, Frame
    from dsmq_nodes.tf.transform_listener import TransformListener

__all__ = [
    "Buffer",
    "BufferCore",
    "ConnectivityException",
    "ExtrapolationException",
    "Frame",
    "InvalidArgumentException",
    "LookupException",
    "StaticTransformBroadcaster",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
    "do_transform_point",
    "do_transform_pose",
    "do_transform_pose_stamped",
    "do_transform_pose_with_covariance_stamped",
    "do_transform_vector3",
]

_HOMES = {
    "Buffer": "tf.buffer",
    "BufferCore": "tf.core",
    "Frame": "tf.core",
    "StaticTransformBroadcaster": "tf.broadcaster",
    "TransformBroadcaster": "tf.broadcaster",
    "TransformListener": "tf.transform_listener",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "tf.apply" if name.startswith("do_") else "errors")
    return getattr(import_module(f"dsmq_nodes.{home}"), name)
