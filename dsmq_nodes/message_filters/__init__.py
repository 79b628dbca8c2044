"""Messages of several topics that belong together, by their stamps.

    image = Subscriber(self, Image, "image")
    info = Subscriber(self, CameraInfo, "camera_info")
    both = TimeSynchronizer((image, info), queue_size=10)
    both.register_callback(self.on_both)  # on_both(self, image: Image, info: CameraInfo)

A filter takes messages from others and gives some on: `Subscriber` from a topic, `Cache` keeps the
last ones, `TimeSynchronizer` gives those with one stamp together, and `ApproximateTimeSynchronizer`
those with nearly one. The names are those of ROS 2's message_filters.
"""

from dsmq_nodes.message_filters.cache import Cache
from dsmq_nodes.message_filters.simple_filter import SimpleFilter, Subscriber
from dsmq_nodes.message_filters.synchronizers import (
    ApproximateTimeSynchronizer,
    TimeSynchronizer,
)

__all__ = [
    "ApproximateTimeSynchronizer",
    "Cache",
    "SimpleFilter",
    "Subscriber",
    "TimeSynchronizer",
]
