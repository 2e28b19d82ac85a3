"""tf.test: a TestCase for programs that test their graphs.

Read next: test_case.py.
"""
