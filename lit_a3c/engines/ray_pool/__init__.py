"""The engine ``ray``: actors on the machines of a Ray cluster, and one learner.

Only :mod:`lit_a3c.engines.ray_pool.options` is imported by other rooms. Ray itself is imported when it is asked for.
"""
