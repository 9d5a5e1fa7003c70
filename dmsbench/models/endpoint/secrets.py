"""Keeps a key out of what a server says: some quote the headers that they were sent."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

#: Letters of the shortest key that is taken for one where a model answers: servers of one's own mostly take
#: any key, and "none" may be the answer to a question.
SHORTEST = 8
_SHOWN = "(key)"


class Secret:
    """A key, or none. Its text is not shown by ``repr``."""

    __slots__ = ("_forms", "_is_long")

    def __init__(self, key: str | None) -> None:
        forms = set() if not key else {key, quote(key, safe=""), quote_plus(key), html.escape(key)}
        if key:
            quoted = json.dumps(key)[1:-1]
            forms |= {quoted, quoted.replace("/", "\\/"), html.escape(key, quote=False)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._is_long = key is not None and len(key) >= SHORTEST

    def hidden(self, text: str) -> str:
        """A message without the key, as it is and as JSON, HTML and addresses write it."""
        for form in self._forms:
            text = text.replace(form, _SHOWN)
        return text

    def hidden_in_answer(self, text: str) -> str:
        """An answer without the key, where that is no word that the model may have meant."""
        return self.hidden(text) if self._is_long else text
