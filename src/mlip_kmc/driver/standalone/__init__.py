"""The standalone driver, which works without the rest of mlip-kmc: copy this whole folder."""
