"""A study's inputs as one file, for machines without a network: packed here, run there.

``packing`` gathers, ``archive`` writes and reads the file, ``rehearsal`` compiles what was packed
as the other machine will, before it leaves. Knows nothing of how a study is run.
"""
