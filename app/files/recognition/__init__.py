"""Reading text out of pictures, recordings and documents. Pure: no database, no network, no settings from outside.

Nothing here is imported by the API process; the engines (and their hundreds of megabytes) live in a child
process started by `app.files.recognition_process`, so that a crash or a hang of a decoder ends only that child.
"""
