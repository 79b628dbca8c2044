"""A lifecycle node: configured and activated from outside, silent while it is not active.

dsmq-nodes lifecycle set /thermometer configure
dsmq-nodes lifecycle set /thermometer activate
"""

from dsmq_nodes import run
from dsmq_nodes.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from dsmq_nodes.messages import Temperature


class Thermometer(LifecycleNode):
    """Tells a temperature twice a second, while it is active."""

    def __init__(self) -> None:
        super().__init__("thermometer")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.publisher = self.create_lifecycle_publisher(Temperature, "temperature", 1)
        self.timer = self.create_timer(0.5, self.tick)
        self.get_logger().info("configured")
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.destroy_timer(self.timer)
        self.destroy_publisher(self.publisher)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.get_logger().info(f"shut down, was {state.label}")
        return TransitionCallbackReturn.SUCCESS

    def tick(self) -> None:
        self.publisher.publish(Temperature(header=self.stamp("air"), temperature=21.5))


if __name__ == "__main__":
    run(Thermometer)
