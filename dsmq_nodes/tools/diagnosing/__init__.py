"""Why a callback is silent: `gathering` asks, `diagnosis` has the findings."""
