"""Write the OpenAPI document, byte for byte the same for the same code: `openapi.json`, or the path named."""

import json
import sys
from pathlib import Path

from app.main import create_app


def document() -> str:
    return json.dumps(create_app().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "openapi.json")
    path.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
