"""How much services and clients publish of their calls."""

from dsmq_nodes.rclpy.impl.c_enum import CEnum


class ServiceIntrospectionState(CEnum):
    """Nothing, metadata alone, or requests and responses too."""

    OFF = 0
    METADATA = 1
    CONTENTS = 2
