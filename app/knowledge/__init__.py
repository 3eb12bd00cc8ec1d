"""What the desk knows. For now: how earlier problems ended, out of the resolved tickets that the asker may see."""
