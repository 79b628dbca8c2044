// Publish a message or call a service: a form made of the type's JSON Schema.
import { $, el, notice, options } from "../dom.js"
import { ask, graph, hello, on } from "../link.js"

let turn = 0
const resolved = (schema, root) => {
	let found = schema ?? {}
	for (let n = 0; n < 9 && found.$ref; n++)
		found =
			found.$ref
				.split("/")
				.slice(1)
				.reduce((value, key) => value?.[key], root) ?? {}
	return found
}
const kinds = (schema, root) => {
	const found = resolved(schema, root)
	const several = found.anyOf ?? found.oneOf
	if (several) return several.flatMap(each => kinds(each, root))
	return [found.type].flat().filter(Boolean)
}

// Returns the element of a field, and a function that reads its value. A field of several types, or
// of names that the schema does not have, is written as JSON.
function field(name, value, schema, root) {
	const found = resolved(schema, root)
	const types = kinds(schema, root)
	const id = `f-${Math.random().toString(36).slice(2)}`
	const hasNames = found.properties || !found.additionalProperties
	if (value !== null && typeof value === "object" && !Array.isArray(value) && hasNames) {
		const parts = Object.entries(value).map(([key, inner]) => [
			key,
			field(key, inner, found.properties?.[key], root),
		])
		const body = parts.map(([, part]) => part.element)
		return {
			element: name ? el("fieldset", {}, el("legend", {}, name), ...body) : el("div", {}, ...body),
			read: () => Object.fromEntries(parts.map(([key, part]) => [key, part.read()])),
		}
	}
	let input
	let read
	if (typeof value === "boolean" && types.every(each => each === "boolean")) {
		input = el("input", { id, type: "checkbox", checked: value })
		read = () => input.checked
	} else if (found.enum) {
		input = el(
			"select",
			{ id },
			...found.enum.map(each => el("option", { value: JSON.stringify(each) }, String(each))),
		)
		input.value = JSON.stringify(value)
		read = () => JSON.parse(input.value)
	} else if (types.length && types.every(each => each === "number" || each === "integer")) {
		input = el("input", { id, type: "text", inputMode: "decimal", value: String(value) })
		read = () => {
			const text = input.value.trim()
			const number = Number(text)
			if (["NaN", "Infinity", "-Infinity"].includes(text)) return text
			if (text === "" || Number.isNaN(number))
				throw new Error(`${name}: ${text || "nothing"} is no number`)
			if (!types.includes("number") && Number.isInteger(number) && !Number.isSafeInteger(number))
				throw new Error(`${name}: a browser cannot send ${text} exactly`)
			return number
		}
	} else if (typeof value === "string" && types.every(each => each === "string")) {
		input = el("input", { id, type: "text", value })
		read = () => input.value
	} else {
		input = el("textarea", { id, rows: 1, value: JSON.stringify(value) })
		read = () => {
			try {
				return JSON.parse(input.value)
			} catch {
				throw new Error(`${name}: not JSON`)
			}
		}
	}
	return {
		element: el(
			"div",
			{ className: "row" },
			el("label", { htmlFor: id }, name),
			input,
			el("span", { className: "quiet" }, types.join(", ")),
		),
		read,
	}
}
async function show() {
	const mine = ++turn
	const [kind, name] = $("call-name").value.split(/ (.*)/s)
	const box = $("call")
	if (!name) {
		box.replaceChildren()
		return
	}
	try {
		const { schema, msg } = await ask("form", {
			[kind]: name,
			type: graph.topics.find(each => each.name === name)?.type ?? "",
		})
		if (mine !== turn) return
		const form = field("", msg, schema, schema)
		const answer = el("pre", { hidden: true, tabIndex: 0 })
		const button = el(
			"button",
			{ disabled: hello.read_only },
			kind === "service" ? "Call" : "Publish",
		)
		box.onsubmit = async event => {
			event.preventDefault()
			button.disabled = true
			try {
				const values = form.read()
				const value = await (kind === "service"
					? ask("call", { service: name, args: values })
					: ask("pub", { topic: name, msg: values }))
				answer.textContent = kind === "service" ? JSON.stringify(value, null, 1) : "published"
				answer.className = ""
			} catch (error) {
				answer.textContent = error.message
				answer.className = "bad-text"
			}
			answer.hidden = false
			button.disabled = false
		}
		box.replaceChildren(form.element, button, answer)
	} catch (error) {
		if (mine === turn) box.replaceChildren(el("p", { className: "bad-text" }, error.message))
	}
}
export function start() {
	on("graph", () => {
		if (!graph.connected) return
		const services = Object.keys(graph.services).map(each => `service ${each}`)
		const topics = graph.topics.filter(each => each.type).map(each => `topic ${each.name}`)
		options($("call-name"), ["", ...services.sort(), ...topics.sort()], "choose…")
	})
	$("call-name").onchange = () => {
		show().catch(error => notice(error.message))
	}
}
