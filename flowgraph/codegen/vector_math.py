"""vector math"""
FUNCTIONS = {"exp","expm1","log","log1p","tanh","sigmoid"}
def call(f, op, dtype, values):
    from flowgraph.codegen.llvm_text import llvm_type, Literal
    k=llvm_type(dtype)
    if op=="sigmoid":
        n=f.let(f"fneg {k} {values[0]}")
        e=call(f,"exp",dtype,[n])
        s=f.let(f"fadd {k} {e}, {Literal(1,dtype)}")
        return f.let(f"fdiv {k} {Literal(1,dtype)}, {s}")
    return f.call(k, op+("f" if dtype=="float32" else ""), (k,values[0]))
