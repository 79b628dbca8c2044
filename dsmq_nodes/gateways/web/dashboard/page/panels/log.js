// The log of all nodes, as text, with a filter of level and node.
import { $, cut, el } from "../dom.js"
import { subscribe } from "../link.js"
import { layout } from "../layout.js"

const NAMES = { 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "FATAL" }
const MOST = 1000
const SHOWN = 300
const lines = []
const fits = each =>
	each.level >= Number($("log-level").value) && each.name.includes($("log-node").value)
function line(each) {
	const when = new Date(each.stamp.sec * 1e3 + each.stamp.nanosec / 1e6)
	return el(
		"div",
		{ className: NAMES[each.level] ?? "INFO" },
		`${when.toTimeString().slice(0, 8)} ${NAMES[each.level] ?? each.level} ${cut(each.name, 200)}: ${cut(each.msg, 4000)}`,
	)
}
function append(each) {
	const box = $("log")
	const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30
	box.append(line(each))
	while (box.childElementCount > SHOWN) box.firstChild.remove()
	if (isAtEnd) box.scrollTop = box.scrollHeight
}
function again() {
	$("log").replaceChildren(...lines.filter(fits).slice(-SHOWN).map(line))
	$("log").scrollTop = $("log").scrollHeight
}
export function start() {
	$("log-level").value = layout.get("level", "20")
	$("log-level").onchange = () => {
		layout.set("level", $("log-level").value)
		again()
	}
	$("log-node").oninput = again
	return subscribe(
		"/rosout",
		message => {
			lines.push(message)
			if (lines.length > MOST) lines.splice(0, 200)
			if (fits(message)) append(message)
		},
		{ most: 200 },
	)
}
