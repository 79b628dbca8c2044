"""Coordinate frames: broadcasting transforms, and looking them up.

    self.buffer = Buffer()
    TransformListener(self.buffer, self)
    ...
    base_in_map = self.buffer.lookup_transform("map", "base_link", Time())

The words are tf2's: `lookup_transform(target, source, time)` takes data from source to target.

Names are loaded at their first use.
"""

from typing import TYPE_CHECKING

from dsmq_nodes.lazy_names import lazily

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

_NAMES = {
    "errors": (
        "ConnectivityException ExtrapolationException InvalidArgumentException "
        "LookupException TransformException"
    ),
    "tf.apply": (
        "do_transform_point do_transform_pose do_transform_pose_stamped "
        "do_transform_pose_with_covariance_stamped do_transform_vector3"
    ),
    "tf.broadcaster": "StaticTransformBroadcaster TransformBroadcaster",
    "tf.buffer": "Buffer",
    "tf.core": "BufferCore Frame",
    "tf.transform_listener": "TransformListener",
}
__getattr__, __dir__ = lazily(__name__, _NAMES)
