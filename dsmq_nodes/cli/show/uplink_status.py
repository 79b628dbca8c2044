"""The output of `dsmq-nodes uplink status`."""

from collections.abc import Iterator

from dsmq_nodes.json_text import read_json
from dsmq_nodes.printable import printable_json


def status_lines(text: str) -> Iterator[str]:
    """Yield the lines of an uplink's status, which it publishes as JSON."""
    status = read_json(printable_json(text))
    name = f"as {status['name']}" if status["name"] else "sees the whole fleet"
    links = ", ".join(status["links"]) or "nobody: no machine is connected"
    yield f"uplink {name}; connected to {links}"
    for topic, going in sorted(status["going"].items()):
        thinned = f", {going['thinned']} left out by its rate" if going["thinned"] else ""
        thinned += f", {going['dropped']} lost on a slow link" if going["dropped"] else ""
        wanted = "" if going["wanted"] else ", wanted by nobody now"
        yield f"  goes  {topic}: {going['sent']} sent{thinned}{wanted}"
    for topic, coming in sorted(status["coming"].items()):
        origin = (
            ", ".join("a base" if each == "-" else each for each in coming["from"]) or "nobody now"
        )
        wanted = "" if coming["wanted"] else ", read by nobody here"
        yield (
            f"  comes {topic} from {origin}: {coming['messages']} messages, "
            f"{coming['resumed']} resumed, {coming['lost']} lost{wanted}"
        )
