"""The services that get and set the levels of loggers."""

from typing import Any

from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.logging import get_logger_level, set_logger_level


class LoggingService:
    """The two services of a node's loggers."""

    def __init__(self, node: Any) -> None:
        for name, kind, callback in (
            ("get_logger_levels", "GetLoggerLevels", self._get),
            ("set_logger_levels", "SetLoggerLevels", self._set),
        ):
            service = interface(f"rcl_interfaces/srv/{kind}")
            node.create_service(service, f"{node.get_name()}/{name}", callback)

    def _get(self, request: Any, response: Any) -> Any:
        kind = interface("rcl_interfaces/msg/LoggerLevel")
        response.levels = [
            kind(name=name, level=int(get_logger_level(name))) for name in request.names
        ]
        return response

    def _set(self, request: Any, response: Any) -> Any:
        kind = interface("rcl_interfaces/msg/SetLoggerLevelsResult")
        for level in request.levels:
            result = kind(successful=True)
            try:
                set_logger_level(level.name, level.level)
            except ValueError:
                result = kind(successful=False, reason="Failed reason: Invalid logger level.")
            response.results.append(result)
        return response
