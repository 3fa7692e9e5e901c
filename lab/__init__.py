"""WHO STUDIES: offline studies; nothing imports this room."""
