"""The standalone driver: this folder is copied whole."""
