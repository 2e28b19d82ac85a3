"""Queues, readers and what the input pipelines of TensorFlow 1 are made of.

    file names -> queue -> reader -> decode -> queue of examples -> dequeue_many -> training
                  `-- threads of QueueRunners --'

host_queue.py: what a session keeps.   queue_ops.py: the operations.   queue_classes.py: FIFOQueue
and its kin.   runners.py: threads.   producers.py, batching.py: ``tf.train.batch`` and so on.

Read next: host_queue.py, runtime/waiting.py.
"""
