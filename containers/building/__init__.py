"""How `containers/build` makes image.sif: the parts, each cached by its own pins, then the image."""
