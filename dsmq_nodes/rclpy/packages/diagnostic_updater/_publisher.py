"""Diagnostics of a topic's rate and stamps."""

from typing import Any

from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_updater import (
    CompositeDiagnosticTask,
    Updater,
)
from dsmq_nodes.rclpy.packages.diagnostic_updater._update_functions import (
    FrequencyStatus,
    FrequencyStatusParam,
    TimeStampStatus,
    TimeStampStatusParam,
)


class HeaderlessTopicDiagnostic(CompositeDiagnosticTask):
    """Watches the rate of a topic."""

    def __init__(self, name: str, diag: Updater, freq: FrequencyStatusParam) -> None:
        super().__init__(f"{name} topic status")
        self.diag = diag
        self.freq = FrequencyStatus(freq)
        self.addTask(self.freq)
        self.diag.add(self)

    def tick(self) -> None:
        """Count a published message."""
        self.freq.tick()

    def clear_window(self) -> None:
        """Forget the counted messages."""
        self.freq.clear()


class TopicDiagnostic(HeaderlessTopicDiagnostic):
    """Watches the rate and the stamps of a topic."""

    def __init__(
        self, name: str, diag: Updater, freq: FrequencyStatusParam, stamp: TimeStampStatusParam
    ) -> None:
        super().__init__(name, diag, freq)
        self.stamp = TimeStampStatus(stamp)
        self.addTask(self.stamp)

    def tick(self, stamp: Any = None) -> None:
        """Count a published message, and check its stamp."""
        self.stamp.tick(stamp)
        super().tick()


class DiagnosedPublisher(TopicDiagnostic):
    """A publisher that diagnoses the messages it publishes."""

    def __init__(
        self, pub: Any, diag: Updater, freq: FrequencyStatusParam, stamp: TimeStampStatusParam
    ) -> None:
        super().__init__(pub.topic, diag, freq, stamp)
        self.publisher = pub

    def publish(self, message: Any) -> None:
        """Publish a message with a header."""
        self.tick(message.header.stamp)
        self.publisher.publish(message)
