"""tf.train: training loops, with hooks around every run, checkpoints and recovery.

coordinator.py          threads that stop together
session_run_hook.py     what a hook is; hooks.py, {checkpoint,profiler,summary}_hook(s).py: hooks
scaffold.py             the operations that initialise a graph and say when it is ready
session_manager.py      a session, restored or initialised; session_creators.py
monitored_session.py    the loop: hooks, coordinator, session
supervisor.py           the older form, with a checkpoint every few minutes from a thread

Read next: monitored_session.py.
"""
