"""ROS's ament_index_python: the packages of the working tree and of the environment."""

from dsmq_nodes.rclpy.packages.ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
    get_package_share_path,
    get_packages_with_prefixes,
    get_search_paths,
)
from dsmq_nodes.rclpy.packages.ament_index_python.resources import (
    RESOURCE_INDEX_SUBFOLDER,
    InvalidResourceNameError,
    InvalidResourceTypeNameError,
    get_resource,
    get_resource_types,
    get_resources,
    has_resource,
)
