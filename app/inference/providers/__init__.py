"""Remote providers, one module each: `build(model, settings)` gives a Pydantic AI model or raises `ModelUnavailable`.

`registry` loads a module by its name when a model of it is first asked for. Together the vendors' libraries take longer
to import than everything else in a process, and a desk that runs on `local` needs none of them.
"""
