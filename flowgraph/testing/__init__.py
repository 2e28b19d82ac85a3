"""tf.test: a TestCase for programs that test their graphs, and numeric derivatives.

Read next: test_case.py.
"""
