"""Parameters: a model with types, defaults and limits; changed while the node runs.

dsmq-nodes param set /blinker period 0.1
"""

from pydantic import Field

from dsmq_nodes import Node, Parameter, Parameters, run


class Blinker(Node):
    """Blinks; how fast and how often is given by the launch file, or from outside at any time."""

    class Params(Parameters):
        period: float = Field(0.5, gt=0, le=10, description="seconds from on to on")
        text: str = "blink"
        pin: int = Field(13, frozen=True, description="cannot be changed while it runs")

    params: Params

    def __init__(self) -> None:
        super().__init__("blinker")
        self.add_post_set_parameters_callback(self.on_parameters)
        self.timer = self.create_timer(self.params.period, self.blink)

    def blink(self) -> None:
        self.get_logger().info(f"{self.params.text} on pin {self.params.pin}")

    def on_parameters(self, parameters: list[Parameter]) -> None:
        self.destroy_timer(self.timer)
        self.timer = self.create_timer(self.params.period, self.blink)


if __name__ == "__main__":
    run(Blinker)
