"""tf.lookup: tables from keys to values, which a session keeps.

host_table.py     a table
table_ops.py      the operations: HashTableV2, LookupTableFindV2, InitializeTableV2 ...
initializers.py   what fills a table: tensors or a text file
classes.py        StaticHashTable, StaticVocabularyTable, MutableHashTable, DenseHashTable
vocabularies.py   index_table_from_file and its like

Read next: classes.py.
"""
