"""Factors between units of time."""

from dsmq_nodes.rclpy.impl.also_importable import also_importable

S_TO_NS = 1000 * 1000 * 1000


__getattr__ = also_importable(__name__)
