"""keras.wrappers: models as estimators of scikit-learn, which need the extra ``[sklearn]``.

from flowgraph.keras.wrappers.scikit_learn import KerasClassifier
"""
