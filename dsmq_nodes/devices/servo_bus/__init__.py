"""Bus servos (Feetech STS, as in the SO-101): the codec, the bus and the driver of an arm.

`feetech` is the codec and does no I/O, `bus` the master on asyncio, `servo_arm` the node.
`dsmq_nodes.testing.servo_bus` is the other end of the wire, without servos.
"""
