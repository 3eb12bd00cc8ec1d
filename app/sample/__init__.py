"""The bundled report, a sentence, a screenshot and a voice note, sent as any client would: through the public API."""
