// Keeps what is shown in the URL after the #: another browser shows the same by the link.
let state = {}
try {
	state = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}")
} catch {
	state = {}
}
if (state === null || typeof state !== "object" || Array.isArray(state)) state = {}
export const layout = {
	get: (key, otherwise) => (key in state ? state[key] : otherwise),
	set(key, value) {
		if (value === undefined || value === null || (Array.isArray(value) && !value.length))
			delete state[key]
		else state[key] = value
		const text = Object.keys(state).length
			? `#${encodeURIComponent(JSON.stringify(state))}`
			: location.pathname
		history.replaceState(null, "", text)
	},
}
export const isHidden = panel => layout.get("hidden", []).includes(panel)
