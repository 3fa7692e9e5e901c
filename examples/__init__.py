"""The bundled example stream and the small program that builds it."""
