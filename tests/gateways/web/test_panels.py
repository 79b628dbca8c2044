"""Panels of the dashboard in a real Chromium: what a hand does there reaches the robot."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dsmq_nodes.tools.session import Session
from tests.gateways.web.panel_nodes import EVIL, HEIGHT, WIDTH, WORDS
from tests.gateways.web.robot import Robot
from tests.support import web_clients
from tests.support.browser import CHROMIUM, Browser, Page
from tests.support.processes import ROOT
from tests.support.reserved import free_port
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif("DSMQ_BROWSER" not in os.environ, reason="in `.ci/browser` alone"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
AXE = web_clients.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
LIVE = "document.querySelector('#state').textContent === 'live'"


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    folder = tmp_path_factory.mktemp("arm")
    nodes = (
        f"- {{include: {ROOT}/launch/arm.yaml, args: {{port: {folder}/bus}}}}\n"
        "- {name: showcase, node: 'tests.gateways.web.panel_nodes:Showcase'}\n"
    )
    web = f"{{port: {free_port()}, rosbridge: 0, foxglove: 0}}"
    with Robot(folder, web, nodes=nodes) as made:
        yield made


@pytest.fixture
def page(browser: Browser, robot: Robot) -> Iterator[Page]:
    made = browser.page(f"{robot.url}/")
    made.waits_for(LIVE)
    made.run("window.confirm = () => true")
    yield made
    assert made.errors == []
    assert made.run("window.hacked ?? 0") == 0  # names and words of others are text
    made.call("Page.close")


def chosen(page: Page, select: str, value: str) -> None:
    """Choose an option of a list, once it is there."""
    page.waits_for(
        f"[...document.querySelector('{select}').options].some(o => o.value==='{value}')"
    )
    page.run(
        f"(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('change')) }})"
        f"(document.querySelector('{select}'))"
    )


def press_form(page: Page) -> None:
    """Press the form's button, when the answer to its last press has come."""
    button = "document.querySelector('#call button')"
    page.waits_for(f"!{button}.disabled && ({button}.click(), 1)", "the form's button")


def heard(session: Any, wanted: str) -> None:
    """Wait for a text on /said."""
    until(lambda: is_said(session, wanted), wanted)


def is_said(session: Any, wanted: str) -> bool:
    """Whether the next text on /said, if one comes soon, has that in it."""
    message = session.next_message(timeout_sec=2.0)
    return message is not None and wanted in (message.text or "")


@pytest.mark.parametrize(
    ("topic", "kind", "colour"),
    [
        ("/raw", "rgb8", [255, 0, 0, 255]),
        ("/packed", "png", [255, 0, 0, 255]),
        ("/depth", "32FC1", [128, 128, 128, 255]),
    ],
)
def test_the_camera_shows_pixels(page: Page, topic: str, kind: str, colour: list[int]) -> None:
    chosen(page, "#camera-topic", topic)
    page.waits_for(f"document.querySelector('#camera-note').textContent.includes('{kind}')")
    size, pixel = page.run(
        "(c => [[c.width, c.height], [...c.getContext('2d').getImageData(3, 3, 1, 1).data]])"
        "(document.querySelector('#camera'))"
    )
    assert (size, pixel) == ([WIDTH, HEIGHT], colour)


def test_a_service_is_called_and_a_message_published_by_a_form(page: Page, robot: Robot) -> None:
    chosen(page, "#call-name", "service /light")
    page.waits_for("!!document.querySelector('#call input[type=checkbox]')")
    page.run("document.querySelector('#call input[type=checkbox]').click()")
    press_form(page)
    answer = page.waits_for("document.querySelector('#call pre:not([hidden])')?.textContent")
    assert msgspec.json.decode(answer) == {"success": True, "message": EVIL}
    with robot.session() as session:
        session.subscribe("/said", depth=10)
        chosen(page, "#call-name", "topic /place")
        page.waits_for("document.querySelectorAll('#call input').length === 3")
        for index, value in enumerate(("1.5", "-2", "x")):
            page.run(f"document.querySelectorAll('#call input')[{index}].value = '{value}'")
        press_form(page)
        wrong = page.waits_for("document.querySelector('#call pre.bad-text')?.textContent")
        assert wrong == "z: x is no number"
        page.run("document.querySelectorAll('#call input')[2].value = '3'")
        press_form(page)
        heard(session, "place 1.5 -2.0 3.0")


def test_fields_of_several_types_and_of_any_names_are_written_as_json(
    page: Page, robot: Robot
) -> None:
    with robot.session() as session:
        session.subscribe("/said", depth=10)
        chosen(page, "#call-name", "topic /setting")
        fields = "[...document.querySelectorAll('#call input, #call textarea')]"
        page.waits_for(f"{fields}.length === 4")
        assert page.run(f"{fields}.map(each => each.value)") == ["{}", "true", "null", '"slow"']
        press_form(page)
        heard(session, "setting {} True None slow")
        for index, value in enumerate(('{"p": 2}', "null", "0.5", "2")):
            page.run(f"{fields}[{index}].value = '{value}'")
        press_form(page)
        heard(session, "setting {'p': 2.0} None 0.5 2")


def test_an_integer_that_javascript_would_change_is_not_sent(page: Page, robot: Robot) -> None:
    with robot.session() as session:
        session.subscribe("/said", depth=10)
        chosen(page, "#call-name", "topic /count")
        page.waits_for("document.querySelectorAll('#call input').length === 1")
        for value, told in ((2**53 + 1, "bad-text"), (2**53 - 1, "")):
            page.run(f"document.querySelector('#call input').value = '{value}'")
            press_form(page)
            shown = "document.querySelector('#call pre:not([hidden])')"
            page.waits_for(f"{shown}?.className === '{told}'")
        heard(session, f"count {2**53 - 1}")


def test_a_drag_on_the_map_sends_a_goal(page: Page, robot: Robot) -> None:
    with robot.session() as session:
        session.subscribe("/said", depth=10)
        page.waits_for("document.querySelector('#map').width > 100")
        page.click("#goal")
        page.waits_for("document.querySelector('#goal').getAttribute('aria-pressed') === 'true'")
        x, y = page.press("#map")
        page.mouse("mouseMoved", x, y - 40)
        page.mouse("mouseReleased", x, y - 40)
        heard(session, "goal ")
    page.waits_for("document.querySelector('#notice').textContent === 'the goal was sent'")


def test_a_process_is_stopped_and_started_and_its_last_lines_are_shown(page: Page) -> None:
    row = (
        "[...document.querySelectorAll('#nodes tr')].find(e => e.textContent.includes('showcase'))"
    )

    def press(what: str) -> None:
        button = f"[...{row}.querySelectorAll('button')].find(e => e.textContent === '{what}')"
        page.waits_for(f"{button} && ({button}.click(), 1)", what)

    press("stop")
    page.waits_for(f"{row}.textContent.includes('stopped')")
    press("start")
    page.waits_for(f"{row}.textContent.includes('ready')")
    press("log")
    lines = page.waits_for("document.querySelector('#lines:not([hidden])')?.textContent")
    assert "its last lines" in lines


def test_a_joint_moves_while_its_slider_is_held_and_goes_limp_when_told(
    page: Page, robot: Robot
) -> None:
    page.waits_for("document.querySelectorAll('#joints input').length === 6")
    page.click("#joint-arm")
    page.waits_for("document.querySelector('#joint-arm').textContent.startsWith('Armed')")
    place = "parseFloat(document.querySelector('#joint-shoulder_pan ~ output').textContent)"
    page.waits_for("!document.querySelector('#joint-shoulder_pan').disabled")
    page.run("document.querySelector('#joint-speed').value = 0.1")  # it is not there before us
    began = page.run(place)
    x, y = page.press("#joint-shoulder_pan")
    page.mouse("mouseMoved", x + 60, y)
    page.waits_for(f"{place} > {began + 0.15}", "the joint moves")
    wish = page.run("Number(document.querySelector('#joint-shoulder_pan').value)")
    page.mouse("mouseReleased", x + 60, y)
    stopped = page.waits_for(
        f"(p => p === window.last || (window.last = p, 0))({place}) && {place}"
    )
    assert stopped < wish
    page.click("#joint-limp")
    page.waits_for("document.querySelector('#notice').textContent === 'limp'")
    page.waits_for("document.querySelector('#joint-arm').textContent === 'Arm'")
    page.click("#joint-hold")
    page.waits_for("document.querySelector('#notice').textContent === 'holding'")


def test_a_joint_that_answers_late_has_its_place_among_the_others(
    browser: Browser, robot: Robot
) -> None:
    with robot.session() as session:
        session.publish("/servo_bus/fault", '{"data":"mute 1"}')
        page = browser.page(f"{robot.url}/")
        names = "[...document.querySelectorAll('#joints input')].map(e => e.id.slice(6)).join(' ')"
        page.waits_for(f"{names}.startsWith('shoulder_lift elbow_flex ')")
        session.publish("/servo_bus/fault", '{"data":"unmute 1"}')
        page.waits_for(f"{names}.startsWith('shoulder_pan shoulder_lift ')")
    page.call("Page.close")


def test_episodes_are_marked_in_a_recording(page: Page) -> None:
    assert page.run("document.querySelector('#episodes').hidden")
    page.run("document.querySelector('#record').click()")
    page.waits_for("!document.querySelector('#episodes').hidden")
    page.run("document.querySelector('#task').value = 'fold the towel'")
    notice = "document.querySelector('#notice').textContent"
    for button, words in (
        ("episode", "episode 0 is started"),
        ("episode", "episode 0 is stopped"),
        ("discard", "episode 0 is discarded"),
    ):
        page.run(f"document.querySelector('#{button}').click()")
        page.waits_for(f"{notice} === '{words}'")
    page.waits_for("!document.querySelector('#record').disabled")
    page.run("document.querySelector('#record').click()")
    link = page.waits_for("document.querySelector('#notice a')?.href")
    page.waits_for("document.querySelector('#episodes').hidden")
    (ROOT / "recordings" / link.rpartition("/")[2]).unlink()


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: `.ci/web` installs it")
def test_the_joints_are_accessible(page: Page) -> None:
    page.waits_for("document.querySelectorAll('#joints input').length === 6")
    page.run(AXE.read_text(encoding="utf-8") + "; 0")
    found = page.run("axe.run('#p-joints').then(r => r.violations.map(v => v.id + ': ' + v.help))")
    assert found == []


def say_everywhere(session: Session, word: str, topic: str) -> None:
    """Say a word wherever a page might show it, also in messages that are not of their type."""
    header = {"stamp": {"sec": 1, "nanosec": 0}, "frame_id": word}
    pair = {"key": word, "value": word}
    state = {"name": word, "level": 2, "message": word, "hardware_id": word, "values": [pair]}
    place = {"translation": {"x": 1, "y": 1, "z": 0}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}
    frame = {"header": header, "child_frame_id": word, "transform": place}
    line = {"stamp": {"sec": 1, "nanosec": 0}, "level": 30, "name": word, "msg": word}
    joints = {"header": header, "name": [word], "position": [0.1], "velocity": [], "effort": []}
    for name, type_name, message in (
        (topic, topic, {word: word, "number": 1, "list": [word] * 9}),
        ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", {"status": [state]}),
        ("/tf", "tf2_msgs/msg/TFMessage", {"transforms": [frame]}),
        ("/rosout", "rcl_interfaces/msg/Log", line),
        ("/follower/joint_states", "sensor_msgs/msg/JointState", joints),
        ("/word", "std_msgs/msg/String", {"data": word}),
        ("/goal_pose", "geometry_msgs/msg/PoseStamped", {"header": header}),
        ("/dsmq/nodes", "", {"name": word}),
        ("/packed", "sensor_msgs/msg/CompressedImage", {"format": word, "data": ""}),
    ):
        session.advertise(name, type_name)
        session.put(name, msgspec.json.encode(message).decode())


@pytest.mark.parametrize("kind", WORDS)
def test_words_of_others_are_text_and_break_nothing(page: Page, robot: Robot, kind: str) -> None:
    word = WORDS[kind]
    start = msgspec.json.encode(word[:1]).decode()
    # The broker takes no longer name, and none with characters that cannot be seen.
    name = word if word.isprintable() and len(word) < 255 else "odd"
    page.run("document.querySelector('#p-map').hidden = false")
    with Session(robot.broker, node=name) as session:
        say_everywhere(session, word, name)
        chosen(page, "#param-node", "/words")
        page.waits_for(f"document.querySelector('#params label')?.title.startsWith({start})")
        rows = "[...document.querySelectorAll('#topic-list [role=option]')]"
        row = f"{rows}.find(e => e.title === {msgspec.json.encode(name).decode()})"
        page.waits_for(f"{row} && ({row}.click(), 1)", "its topic")

        def is_shown() -> object:
            say_everywhere(session, word, name)
            shown = page.run("document.querySelector('#message').textContent")
            return "number: 1" in shown and page.run(
                "document.querySelectorAll('#log .WARN').length"
            )

        until(is_shown, "its message, and its line in the log")
        page.run("dashboard.flow.messages = 0")
        page.waits_for("dashboard.flow.messages > 20", "others go on")
        assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.run("document.querySelectorAll('main :is(img, script, b)').length") == 0
        wide = "[...document.querySelectorAll('#graph rect')].map(e => e.width.baseVal.value)"
        assert page.run(f"Math.max(...{wide})") < 500
        assert page.run("document.querySelector('#nodes').scrollWidth") < 1500
