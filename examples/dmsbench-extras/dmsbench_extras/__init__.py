"""One thing of each kind that a package can bring to dmsbench.

pip install ./examples/dmsbench-extras
dmsbench run --suite examples/dmsbench-extras/counting.yaml
"""
