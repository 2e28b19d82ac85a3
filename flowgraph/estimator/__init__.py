"""tf.estimator: models as functions, trained, evaluated, asked and exported by one class.

    estimator = tf.estimator.Estimator(model_fn, "models/first")
    estimator.train(input_fn, steps=1000)
    estimator.evaluate(eval_input_fn)             {"loss": ..., "global_step": 1000}
    next(estimator.predict(predict_input_fn))

specs.py          ModeKeys, EstimatorSpec: what a model function is told and returns
run_config.py     RunConfig: seeds, checkpoints, summaries
input_data.py     what an input function may return; numpy_input_fn, pandas_input_fn
core.py           Estimator: a graph and a monitored session for each call
results.py        metrics, chosen predictions, summaries of evaluations
exporting.py      export_saved_model; export_outputs.py, receivers.py: outputs and inputs of it
schedule.py       train_and_evaluate, TrainSpec, EvalSpec; exporters.py
heads.py          loss, predictions and metrics of regression; class_heads.py: of classes
canned.py         linear, deep and combined models over feature columns; baselines.py

Read next: specs.py, core.py.
"""
