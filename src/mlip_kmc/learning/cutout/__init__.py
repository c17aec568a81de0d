"""What is labelled of a structure: the whole, or a periodic box around the atoms that matter.

piece = cut_out(atoms, [17, 4], name="0_17-240", section=CutoutSection(), cutoff_A=5.0, calculator=calculator)
"""

from mlip_kmc.learning.cutout.cut_out import CutOut, Expected, cut_out, expected_of

__all__ = ["CutOut", "Expected", "cut_out", "expected_of"]
