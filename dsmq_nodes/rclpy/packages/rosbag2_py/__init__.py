"""ROS's rosbag2_py: bags read and written in the encoding of ROS 2.

A reader takes a bag of ROS 2, and one of this kit, whose messages become CDR as they are read.
A writer makes a bag of ROS 2, which `dsmq-nodes bag` reads as well. Needs the extras `bag`, `ros`.
"""

from dsmq_nodes.rclpy.packages.rosbag2_py._reader import (
    Info,
    SequentialCompressionReader,
    SequentialReader,
    get_registered_readers,
)
from dsmq_nodes.rclpy.packages.rosbag2_py._storage import (
    BagMetadata,
    ConverterOptions,
    FileInformation,
    MessageDefinition,
    ReadOrder,
    ReadOrderSortBy,
    StorageFilter,
    StorageOptions,
    TopicInformation,
    TopicMetadata,
    get_default_storage_id,
)
from dsmq_nodes.rclpy.packages.rosbag2_py._writer import SequentialWriter, get_registered_writers
