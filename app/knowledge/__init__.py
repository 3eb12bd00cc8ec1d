"""What the desk knows: documents in versions, searched by words and by meaning, and how resolved cases ended.

Promises: nobody finds or reads what is not meant for them; a citation (version, passage, characters) stays true after
the document changed. It writes no answers.
"""
