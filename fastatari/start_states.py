"""Being written."""

ALE_PY = "0.12.1"
SAVED_RESET = 2
EXACT = frozenset({"breakout", "pong"})
LEFT_OUT: dict[str, str] = {}
