"""tf.saved_model: graphs with their variables, files and signatures, in a directory.

    export_dir/saved_model.pb            one MetaGraphDef for each set of tags
    export_dir/variables/variables.*     a checkpoint
    export_dir/assets/                   files that the graph reads

names.py         the names that stand in such directories
signatures.py    what a graph computes, from which tensors to which
building.py      writes them: SavedModelBuilder, simple_save
loading.py       reads them: loader.load
predictors.py    a loaded graph as a function of arrays

Read next: building.py, loading.py.
"""
