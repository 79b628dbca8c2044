"""The answers of a node to requests about its parameters and its loggers."""

from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.parameters.parameter import Parameter as NodeParameter
from dsmq_nodes.graph.parameters.parameter_store import ParameterStore
from dsmq_nodes.messages.rcl_interfaces import (
    ListParametersResult,
    LoggerLevel,
    Parameter,
    ParameterDescriptor,
    ParameterValue,
    SetLoggerLevelsResult,
    SetParametersResult,
)
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetLoggerLevels,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetLoggerLevels,
    SetParameters,
    SetParametersAtomically,
)


def describe_parameters(
    store: ParameterStore, request: DescribeParameters.Request
) -> DescribeParameters.Response:
    """Return the descriptors; an unknown parameter has the type NOT_SET."""
    return DescribeParameters.Response(
        descriptors=[
            store.describe(name) if name in store else ParameterDescriptor(name=name)
            for name in request.names
        ]
    )


def get_parameter_types(
    store: ParameterStore, request: GetParameterTypes.Request
) -> GetParameterTypes.Response:
    """Return the types of the parameters; 0 for an unknown one."""
    types = [store.get(name).type_ if name in store else 0 for name in request.names]
    return GetParameterTypes.Response(types=bytes(types))


def get_parameters(store: ParameterStore, request: GetParameters.Request) -> GetParameters.Response:
    """Return the values of the parameters; an unknown one is not set."""
    return GetParameters.Response(
        values=[
            store.get(name).get_parameter_value() if name in store else ParameterValue()
            for name in request.names
        ]
    )


def list_parameters(
    store: ParameterStore, request: ListParameters.Request
) -> ListParameters.Response:
    """Return the names of the parameters below the prefixes, as deep as requested."""
    names = [name for name in store if _is_listed(name, request.prefixes, request.depth)]
    prefixes = dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name)
    return ListParameters.Response(
        result=ListParametersResult(names=names, prefixes=list(prefixes))
    )


def _is_listed(name: str, prefixes: list[str], depth: int) -> bool:
    if not prefixes:
        return depth == 0 or name.count(".") < depth
    return any(
        name == prefix
        or (
            name.startswith(f"{prefix}.")
            and (depth == 0 or name[len(prefix) + 1 :].count(".") < depth)
        )
        for prefix in prefixes
    )


async def set_parameters(
    store: ParameterStore, request: SetParameters.Request
) -> SetParameters.Response:
    """Set each parameter separately."""
    results = [await set_all(store, [msg]) for msg in request.parameters]
    return SetParameters.Response(results=results)


async def set_parameters_atomically(
    store: ParameterStore, request: SetParametersAtomically.Request
) -> SetParametersAtomically.Response:
    """Set all parameters, or none."""
    return SetParametersAtomically.Response(result=await set_all(store, request.parameters))


async def set_all(store: ParameterStore, parameters: list[Parameter]) -> SetParametersResult:
    """Set all or none; the result says why none was set, or what failed afterwards."""
    try:
        reason = await store.set([NodeParameter.from_parameter_msg(msg) for msg in parameters])
    except (ParameterError, TypeError) as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True, reason=reason)


def get_logger_levels(logger: Logger, request: GetLoggerLevels.Request) -> GetLoggerLevels.Response:
    """Return the levels of loggers; 0 for a logger of another node."""
    levels = []
    for name in request.names:
        own = logger.named(name)
        level = own.get_effective_level() if own is not None else LoggerLevel.LOG_LEVEL_UNKNOWN
        levels.append(LoggerLevel(name=name, level=level))
    return GetLoggerLevels.Response(levels=levels)


def set_logger_levels(logger: Logger, request: SetLoggerLevels.Request) -> SetLoggerLevels.Response:
    """Set the lowest level that each logger logs; 0: the level of the logger above."""
    return SetLoggerLevels.Response(results=[_set_level(logger, each) for each in request.levels])


def _set_level(logger: Logger, wanted: LoggerLevel) -> SetLoggerLevelsResult:
    own = logger.named(wanted.name)
    if own is None:
        reason = f"the loggers here are {logger.name} and those below it, not {wanted.name!r}"
        return SetLoggerLevelsResult(successful=False, reason=reason)
    if wanted.level not in {0, 10, 20, 30, 40, 50}:
        reason = f"a level is 10, 20, 30, 40 or 50 (0: as above), not {wanted.level}"
        return SetLoggerLevelsResult(successful=False, reason=reason)
    own.set_level(wanted.level)
    return SetLoggerLevelsResult(successful=True)
