"""How a superbasin is left: the exit process, the time, and the permutation and images of the atoms. Pure functions.

Example:
    from mlip_kmc.model.superbasin.chain import Chain, absorption

    chain = Chain(inside=[[0, 1e12], [1e12, 0]], out=[1e-3, 1e-3])
    absorption(chain, entry=0).mean_time_s                     # 1000.0
"""
