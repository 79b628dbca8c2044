// The DOM. Text becomes text nodes only, since names come from other peers.
export const $ = id => document.getElementById(id)
// Control characters, and marks that change the direction of the text after them, are shown as numbers.
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]/g
export const visible = text =>
	text.replace(UNSEEN, each => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`)
export const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
export function el(tag, props = {}, ...kids) {
	const made = document.createElement(tag)
	for (const [key, value] of Object.entries(props)) {
		if (key.startsWith("on")) made.addEventListener(key.slice(2), value)
		else if (key in made && key !== "list") made[key] = value
		else made.setAttribute(key, value)
	}
	made.append(
		...kids
			.filter(kid => kid !== null && kid !== undefined)
			.map(kid => (typeof kid === "string" ? visible(kid) : kid)),
	)
	return made
}
export function svg(tag, attributes = {}, ...kids) {
	const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
	for (const key in attributes) made.setAttribute(key, attributes[key])
	made.append(...kids)
	return made
}
// In JSON NaN and infinity are strings.
const SPECIAL = new Map([
	["NaN", NaN],
	["Infinity", Infinity],
	["-Infinity", -Infinity],
])
export const num = value => (typeof value === "number" ? value : (SPECIAL.get(value) ?? null))
export const at = (message, path) =>
	path.reduce(
		(value, key) => (value === null || value === undefined ? undefined : value[key]),
		message,
	)
export const bytes = count =>
	count >= 1e6
		? `${(count / 1e6).toFixed(1)} MB/s`
		: count >= 1e3
			? `${(count / 1e3).toFixed(0)} kB/s`
			: `${count.toFixed(0)} B/s`
export const rate = hz => (hz >= 10 || hz === 0 ? hz.toFixed(0) : hz.toFixed(1))
export function short(value) {
	if (typeof value === "number")
		return Number.isInteger(value)
			? String(value)
			: Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4)
				? value.toExponential(3)
				: String(Number(value.toPrecision(5)))
	if (value !== null && typeof value === "object")
		return Array.isArray(value) ? `[${value.length}]` : "{…}"
	return cut(String(value), 80)
}
export const seconds = sec =>
	sec < 1e-3
		? `${(sec * 1e6).toFixed(0)} µs`
		: sec < 1
			? `${(sec * 1e3).toFixed(1)} ms`
			: `${sec.toFixed(1)} s`
export const dark = matchMedia("(prefers-color-scheme: dark)")
export const color = name =>
	getComputedStyle(document.documentElement).getPropertyValue(name).trim()
export function options(select, names, empty = "—") {
	const now = [...select.options].map(each => each.value).join("\n")
	if (now === names.join("\n")) return
	const value = select.value
	select.replaceChildren(
		...names.map(name => el("option", { value: name }, cut(name, 200) || empty)),
	)
	if (names.includes(value)) select.value = value
	if (select.value !== value) select.dispatchEvent(new Event("change"))
}
export function canvas(element) {
	const scale = devicePixelRatio || 1
	const width = element.clientWidth
	const height = element.clientHeight
	if (
		element.width !== Math.round(width * scale) ||
		element.height !== Math.round(height * scale)
	) {
		element.width = Math.round(width * scale)
		element.height = Math.round(height * scale)
	}
	const context = element.getContext("2d")
	context.setTransform(scale, 0, 0, scale, 0, 0)
	context.clearRect(0, 0, width, height)
	return [context, width, height]
}
let timer = 0
export function notice(text, sec = 6) {
	const box = $("notice")
	box.textContent = visible(text)
	clearTimeout(timer)
	if (text && sec)
		timer = setTimeout(() => {
			box.textContent = ""
		}, sec * 1000)
}
