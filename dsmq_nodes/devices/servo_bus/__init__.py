"""Bus servos (Feetech STS, as in the SO-101, Dynamixel X): codecs, the bus, the driver of an arm.

`feetech` and `dynamixel` are the codecs and do no I/O, `servo_family` has one table for each, `bus`
is the master on asyncio, `servo_arm` the node. `dsmq_nodes.testing.servo_bus` simulates the other
end of the wire, without servos.
"""
