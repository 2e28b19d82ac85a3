"""flowgraph.learn: networks as estimators of scikit-learn, with no model to be written.

    from flowgraph import learn

    classifier = learn.DNNClassifier(hidden_units=(32, 16), epochs=50, random_state=0)
    cross_val_score(make_pipeline(StandardScaler(), classifier), x, y)

It needs the extra ``[sklearn]``.  Models of one's own become estimators by
``keras.wrappers.scikit_learn``.

Read next: estimators.py.
"""

from flowgraph.learn.estimators import (
    DNNClassifier,
    DNNRegressor,
    LinearClassifier,
    LinearRegressor,
)

__all__ = ["DNNClassifier", "DNNRegressor", "LinearClassifier", "LinearRegressor"]
