"""Events of launch: handlers that are planned or called, and transitions of lifecycle nodes."""
