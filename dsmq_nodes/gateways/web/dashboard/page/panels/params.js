// Parameters of a node: a slider where both ends are known, else the fitting field; a refusal in
// the model's own words.
import { $, el, num, options, short } from "../dom.js"
import { ask, graph, on, subscribe } from "../link.js"
import { layout } from "../layout.js"

const BOOL = 1
const INTEGER = 2
const DOUBLE = 3
const STRING = 4
let rows = new Map()
let turn = 0
const node = () => $("param-node").value

function range(parameter) {
	const found =
		parameter.descriptor.floating_point_range?.[0] ?? parameter.descriptor.integer_range?.[0]
	if (!found) return null
	const from = num(found.from_value)
	const to = num(found.to_value)
	const isBounded =
		Number.isFinite(from) && Number.isFinite(to) && Math.abs(from) < 1e9 && Math.abs(to) < 1e9
	return isBounded ? { from, to, step: num(found.step) || 0 } : null
}
function choices(parameter) {
	// "one of a, b" in the descriptor's own words
	const found = /one of ([^;]+)/.exec(parameter.descriptor.additional_constraints ?? "")
	return found && parameter.type === STRING
		? found[1].split(",").map(each => each.trim().replace(/^['"]|['"]$/g, ""))
		: null
}
function field(name, parameter) {
	const descriptor = parameter.descriptor
	const id = `param-${name}`
	const output = el("output", { htmlFor: id }, shown(parameter.value))
	const why = el("p", { className: "why", role: "alert", hidden: true })
	let asked = Promise.resolve() // one value after the other: answers to two at once may come in any order
	const set = value => {
		asked = asked.then(() => give(value))
	}
	const give = async value => {
		try {
			await ask("setparam", { node: node(), name, value })
			parameter.value = value
			why.hidden = true
			output.textContent = shown(value)
		} catch (error) {
			why.textContent = error.message
			why.hidden = false
			put(parameter.value)
		}
	}
	let input
	let put = value => {
		input.value = typeof value === "object" ? JSON.stringify(value) : value
		output.textContent = shown(value)
	}
	const bounds = range(parameter)
	const several = choices(parameter)
	const common = { id, disabled: descriptor.read_only }
	if (parameter.type === BOOL) {
		input = el("input", {
			...common,
			type: "checkbox",
			checked: parameter.value,
			onchange: () => set(input.checked),
		})
		put = value => {
			input.checked = value
			output.textContent = shown(value)
		}
	} else if (several)
		input = el(
			"select",
			{ ...common, onchange: () => set(input.value) },
			...several.map(each => el("option", { value: each }, each)),
		)
	else if ((parameter.type === INTEGER || parameter.type === DOUBLE) && bounds)
		input = el("input", {
			...common,
			type: "range",
			min: bounds.from,
			max: bounds.to,
			step:
				bounds.step ||
				(parameter.type === INTEGER ? 1 : Number(((bounds.to - bounds.from) / 200).toPrecision(2))),
			oninput: () => {
				output.textContent = shown(Number(input.value))
			},
			onchange: () => set(Number(input.value)),
		})
	else if (parameter.type === INTEGER || parameter.type === DOUBLE)
		input = el("input", {
			...common,
			type: "number",
			step: "any",
			onchange: () => set(input.value === "" ? NaN : Number(input.value)),
		})
	else if (parameter.type === STRING)
		input = el("input", { ...common, type: "text", onchange: () => set(input.value) })
	else
		input = el("input", {
			...common,
			type: "text",
			onchange: () => {
				try {
					set(JSON.parse(input.value))
				} catch (error) {
					why.textContent = error.message
					why.hidden = false
				}
			},
		})
	put(parameter.value)
	rows.set(name, value => {
		parameter.value = value
		if (document.activeElement !== input) put(value)
	})
	const about = [descriptor.description, descriptor.additional_constraints]
		.filter(Boolean)
		.join(" · ")
	return el(
		"div",
		{ className: "row" },
		el("label", { htmlFor: id, title: name }, name),
		input,
		parameter.type === BOOL ? el("span") : output,
		about ? el("p", { className: "about" }, about) : null,
		why,
	)
}
const shown = value => short(typeof value === "object" ? JSON.stringify(value) : value)
async function show() {
	const mine = ++turn
	const name = node()
	rows = new Map()
	layout.set("node", name || undefined)
	if (!name) {
		$("params").replaceChildren(el("p", { className: "quiet" }, "No node serves parameters now."))
		return
	}
	try {
		const found = await ask("params", { node: name })
		if (mine !== turn) return
		const names = Object.keys(found).filter(each => each !== "use_sim_time")
		$("params").replaceChildren(
			...(names.length
				? names.map(each => field(each, found[each]))
				: [el("p", { className: "quiet" }, `${name} has no parameters.`)]),
		)
	} catch (error) {
		if (mine === turn)
			$("params").replaceChildren(el("p", { className: "bad-text" }, error.message))
	}
}
const FIELDS = [
	"",
	"bool_value",
	"integer_value",
	"double_value",
	"string_value",
	"byte_array_value",
	"bool_array_value",
	"integer_array_value",
	"double_array_value",
	"string_array_value",
]
function changed(message) {
	// somebody else set one
	if (message.node !== node()) return
	for (const each of message.changed_parameters ?? [])
		rows.get(each.name)?.(each.value[FIELDS[each.value.type]])
}
export function start() {
	const wanted = layout.get("node", "")
	let first = true
	let last = ""
	on("graph", () => {
		options($("param-node"), graph.params)
		if (first && graph.params.length) {
			first = false
			if (graph.params.includes(wanted)) $("param-node").value = wanted
		}
		const now = graph.connected ? node() : ""
		if (now !== last || !$("params").childElementCount) {
			last = now
			show()
		}
	})
	$("param-node").onchange = () => {
		last = node()
		show()
	}
	subscribe("/parameter_events", changed, { most: 50 })
}
