"""philox.py as kernel text: the same streams, drawn natively.

``DRAWS`` fills ``output`` with numbers made by ``draw(words, numbers)``, block after block; which
``draw`` that is depends on the distribution and the dtype.  Uniforms and integers are philox.py's
bit for bit; normals differ in the last places, as the logarithm and the sine do.

Names with a trailing number are of that many bits.  Read next: random.py, whose records use it.
"""

from __future__ import annotations

#: A block of the stream, and the words of a block as floats.
PHILOX = """
def philox(position, seed, seed2, words):
    low = uint64(4294967295)
    w0 = position & low
    w1 = position >> uint64(32)
    w2 = seed2 & low
    w3 = seed2 >> uint64(32)
    k0 = seed & low
    k1 = seed >> uint64(32)
    for _ in range(10):
        p0 = w0 * uint64(3528531795)
        p1 = w2 * uint64(3449720151)
        w0 = (p1 >> uint64(32)) ^ w1 ^ k0
        w2 = (p0 >> uint64(32)) ^ w3 ^ k1
        w1 = p1 & low
        w3 = p0 & low
        k0 = (k0 + uint64(2654435769)) & low
        k1 = (k1 + uint64(3144134277)) & low
    store(words, 0, uint32(w0))
    store(words, 1, uint32(w1))
    store(words, 2, uint32(w2))
    store(words, 3, uint32(w3))
    return 0

def uniform32(words, k):
    return from_bits((load(words, k) & uint32(8388607)) | uint32(1065353216)) - float32(1)

def uniform64(words, k):
    high = uint64(load(words, 2 * k) & uint32(1048575)) << uint64(32)
    pattern = high | uint64(load(words, 2 * k + 1)) | uint64(4607182418800017408)
    return from_bits(pattern) - 1.0

"""

#: Pairs of normals from pairs of uniforms, as philox._normals.  The angle of 32 bits, at most
#: 2 pi, is brought to [-pi/4, pi/4] with pi/2 in three parts; polynomials of Cephes (Moshier).
NORMALS = """
def normals32(words, pair, numbers):
    u = maximum(uniform32(words, 2 * pair), float32(1.0e-7))
    radius = sqrt(float32(-2) * log(u))
    angle = float32(6.283185307179586) * uniform32(words, 2 * pair + 1)
    quarter = rint(angle * float32(0.6366197723675814))
    r = angle - quarter * float32(1.5703125)
    r = r - quarter * float32(4.837512969970703e-4)
    r = r - quarter * float32(7.54978995489188e-8)
    z = r * r
    s = (float32(-1.9515295891e-4) * z + float32(8.3321608736e-3)) * z - float32(1.6666654611e-1)
    s = s * z * r + r
    c = float32(2.443315711809948e-5) * z - float32(1.388731625493765e-3)
    c = (c * z + float32(4.166664568298827e-2)) * z * z - float32(0.5) * z + float32(1)
    turn = int32(quarter)
    odd = (turn & int32(1)) != int32(0)
    sine = select(odd, c, s)
    cosine = select(odd, s, c)
    sine = select((turn & int32(2)) != int32(0), -sine, sine)
    cosine = select(((turn + int32(1)) & int32(2)) != int32(0), -cosine, cosine)
    store(numbers, 2 * pair, sine * radius)
    store(numbers, 2 * pair + 1, cosine * radius)
    return 0

def normals64(words, numbers):
    radius = sqrt(-2.0 * log(maximum(uniform64(words, 0), 1.0e-7)))
    angle = 6.283185307179586 * uniform64(words, 1)
    store(numbers, 0, sin(angle) * radius)
    store(numbers, 1, cos(angle) * radius)
    return 0

"""

#: (distribution, dtype) -> text of ``draw(words, numbers)`` and how many numbers it makes.
DRAW: dict[tuple[str, str], tuple[str, int]] = {
    ("uniform", "float16"): (
        """
def draw(words, numbers):
    for k in range(4):
        word = load(words, k) & uint32(1023)
        store(numbers, k, bits(float16(float32(word) * float32(0.0009765625))))
    return 0

""",
        4,
    ),
    ("uniform", "float32"): (
        """
def draw(words, numbers):
    store(numbers, 0, uniform32(words, 0))
    store(numbers, 1, uniform32(words, 1))
    store(numbers, 2, uniform32(words, 2))
    store(numbers, 3, uniform32(words, 3))
    return 0

""",
        4,
    ),
    ("uniform", "float64"): (
        """
def draw(words, numbers):
    store(numbers, 0, uniform64(words, 0))
    store(numbers, 1, uniform64(words, 1))
    return 0

""",
        2,
    ),
    ("normal", "float32"): (
        NORMALS
        + """
def draw(words, numbers):
    normals32(words, 0, numbers)
    normals32(words, 1, numbers)
    return 0

""",
        4,
    ),
    ("normal", "float64"): (
        NORMALS
        + """
def draw(words, numbers):
    normals64(words, numbers)
    return 0

""",
        2,
    ),
}



def moves(distribution: str) -> tuple[str, ...]:
    """Procedure.moves of floats: a uniform float16 is made of its own bits, others are rounded."""
    return ("dtype",) if distribution == "uniform" else ()


#: Fills ``output`` (``n`` numbers) from block ``first`` on.  ``each`` is a literal: a stride the
#: vectoriser can use.
DRAWS = """
words = uint32_stack(4)
numbers = {dtype}_stack(4)
full = n // {each}
for b in independent(full):
    philox(first + uint64(b), uint64(seed), uint64(seed2), words)
    draw(words, offset(output, b * {each}))
if full * {each} < n:
    philox(first + uint64(full), uint64(seed), uint64(seed2), words)
    draw(words, numbers)
    for k in range(n - full * {each}):
        store(output, full * {each} + k, load(numbers, k))
"""

#: As DRAWS, numbers beyond two drawn again.  A group of ``each`` numbers owns ``stretch`` blocks;
#: most groups keep their whole first block.
TRUNCATED_DRAWS = """
words = uint32_stack(4)
numbers = {dtype}_stack(4)
full = n // {each}
for g in independent(full):
    philox(first + uint64(g * {stretch}), uint64(seed), uint64(seed2), words)
    draw(words, offset(output, g * {each}))
for g in range((n + {each} - 1) // {each}):
    wanted = {each}
    again = False
    if g == full:
        wanted = n - full * {each}
        again = True
    else:
        for k in range({each}):
            if absolute(load(output, g * {each} + k)) >= {dtype}(2):
                again = True
    if again:
        position = first + uint64(g * {stretch})
        filled = 0
        while filled < wanted:
            philox(position, uint64(seed), uint64(seed2), words)
            draw(words, numbers)
            position = position + uint64(1)
            for k in range({each}):
                number = load(numbers, k)
                if filled < wanted and absolute(number) < {dtype}(2):
                    store(output, g * {each} + filled, number)
                    filled = filled + 1
"""

#: philox.Lanes: a lane is ``state`` (position, uniforms left, normals left) and ``kept`` (two of
#: each).
LANES = """
def begin_lane(state, position):
    store(state, 0, int64(position))
    store(state, 1, 0)
    store(state, 2, 0)
    return 0

def next_uniform(state, kept, words, seed, seed2):
    left = load(state, 1)
    if left == 0:
        philox(uint64(load(state, 0)), uint64(seed), uint64(seed2), words)
        store(kept, 0, uniform64(words, 0))
        store(kept, 1, uniform64(words, 1))
        store(state, 0, load(state, 0) + 1)
        left = 2
    store(state, 1, left - 1)
    return load(kept, left - 1)

def next_normal(state, kept, words, seed, seed2):
    left = load(state, 2)
    if left == 0:
        philox(uint64(load(state, 0)), uint64(seed), uint64(seed2), words)
        normals64(words, offset(kept, 2))
        store(state, 0, load(state, 0) + 1)
        left = 2
    store(state, 2, left - 1)
    return load(kept, left + 1)

"""

#: Takes the next ``reserve`` blocks of the op's stream.
RESERVE = """
first = uint64(load(counter, 0))
store(counter, 0, load(counter, 0) + reserve)
"""

#: The stream that two seeds choose, as philox.stateless_stream; ``seed`` points at them.
STATELESS = """
mixed = uint32_stack(4)
philox(uint64(load(seed, 0)), uint64(163851598941452064), uint64(load(seed, 1)), mixed)
key = uint64(load(mixed, 0)) | (uint64(load(mixed, 1)) << uint64(32))
key2 = uint64(load(mixed, 2)) | (uint64(load(mixed, 3)) << uint64(32))
first = uint64(0)
"""

#: dtype -> text of ``draw(low, span, words, numbers)`` and how many numbers it makes:
#: low + word mod (high - low), as unsigned numbers.
INTEGERS: dict[str, tuple[str, int]] = {
    "int32": (
        """
def draw(low, span, words, numbers):
    for k in range(4):
        store(numbers, k, int32(load(words, k) % span + low))
    return 0

""",
        4,
    ),
    "int64": (
        """
def draw(low, span, words, numbers):
    for k in range(2):
        word = uint64(load(words, 2 * k)) | (uint64(load(words, 2 * k + 1)) << uint64(32))
        store(numbers, k, int64(word % span + low))
    return 0

""",
        2,
    ),
}

#: The bounds of integers; ``{Tout}`` is their dtype.
BOUNDS = """
low = u{Tout}(load(minval, 0))
span = u{Tout}(load(maxval, 0)) - low
if load(minval, 0) >= load(maxval, 0):
    return 3
"""

INTEGER_DRAWS = DRAWS.replace("draw(words, ", "draw(low, span, words, ").replace(
    "{dtype}_stack", "{minval}_stack"
)
