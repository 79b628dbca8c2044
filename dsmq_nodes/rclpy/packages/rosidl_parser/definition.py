"""The types in `SLOT_TYPES`."""

from dsmq_nodes.rclpy.interfaces.idl_types import (
    AbstractGenericString,
    AbstractNestableType,
    AbstractNestedType,
    AbstractSequence,
    AbstractString,
    AbstractType,
    AbstractWString,
    Array,
    BasicType,
    BoundedSequence,
    BoundedString,
    BoundedWString,
    NamedType,
    NamespacedType,
    UnboundedSequence,
    UnboundedString,
    UnboundedWString,
)
