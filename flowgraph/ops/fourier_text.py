"""The kernel of the Fourier transforms: mixed radices, or a convolution for large primes.

A line of n elements goes through one stage for each factor r of n (Stockham's order, which needs
no reversal of bits): with s the product of the factors before, and m = n / (r s),

    y[q + s (r p + k)] = w^(s p k) sum_j exp(-2 pi i j k / r) x[q + s (p + m j)]

with w = exp(-2 pi i / n), for q < s, p < m, k < r.  Lengths with a prime factor above
LARGEST_FACTOR are written as a convolution with c[k] = exp(i pi k^2 / n), of a power of two, as
jk = (j^2 + k^2 - (k - j)^2) / 2 (Bluestein, 1970).  Twiddle factors are computed in float64 and
rounded once.

C. Van Loan, "Computational Frameworks for the Fast Fourier Transform" (1992), 1.7 and 4.2.

Read next: fourier.py.
"""

from __future__ import annotations

#: Primes up to this have a stage of their own.
LARGEST_FACTOR = 61


def padded_length(n: int) -> int:
    """The length that is transformed: n itself, or a power of two for the convolution."""
    rest = n
    for p in range(2, LARGEST_FACTOR + 1):
        while rest > 1 and rest % p == 0:
            rest //= p
    return n if rest <= 1 else 1 << (2 * n - 2).bit_length()


HELPERS = """
def fill_table(table, n, fine):
    step = float64(-6.283185307179586) / float64(n)
    for k in range(minimum(int64(64), n)):
        store(fine, 2 * k, cos(float64(k) * step))
        store(fine, 2 * k + 1, sin(float64(k) * step))
    for block in range((n + 63) // 64):
        first = 64 * block
        cr = cos(float64(first) * step)
        ci = sin(float64(first) * step)
        for k in independent(minimum(int64(64), n - first)):
            fr = load(fine, 2 * k)
            fi = load(fine, 2 * k + 1)
            store(table, 2 * (first + k), {output}(cr * fr - ci * fi))
            store(table, 2 * (first + k) + 1, {output}(cr * fi + ci * fr))
    return int64(0)

def factorize(n, factors):
    count = int64(0)
    rest = n
    while (rest > 1) & (rest % 4 == 0):
        store(factors, count, int64(4))
        count += 1
        rest = rest // 4
    p = int64(2)
    while rest > 1:
        if rest % p == 0:
            store(factors, count, p)
            count += 1
            rest = rest // p
        else:
            p += 1
    return count

def stage_2(x, y, m, s, table, flip):
    for p in range(m):
        wr = load(table, 2 * s * p)
        wi = load(table, 2 * s * p + 1) * flip
        for q in independent(s):
            i = 2 * (q + s * p)
            j = i + 2 * s * m
            ar = load(x, i)
            ai = load(x, i + 1)
            br = load(x, j)
            bi = load(x, j + 1)
            o = 2 * (q + 2 * s * p)
            store(y, o, ar + br)
            store(y, o + 1, ai + bi)
            dr = ar - br
            di = ai - bi
            store(y, o + 2 * s, dr * wr - di * wi)
            store(y, o + 2 * s + 1, dr * wi + di * wr)
    return int64(0)

def stage_3(x, y, m, s, table, flip):
    half = {output}(0.5)
    root = {output}(0.8660254037844386) * flip
    for p in range(m):
        ur = load(table, 2 * s * p)
        ui = load(table, 2 * s * p + 1) * flip
        vr = load(table, 4 * s * p)
        vi = load(table, 4 * s * p + 1) * flip
        for q in independent(s):
            i = 2 * (q + s * p)
            ar = load(x, i)
            ai = load(x, i + 1)
            i += 2 * s * m
            br = load(x, i)
            bi = load(x, i + 1)
            i += 2 * s * m
            cr = load(x, i)
            ci = load(x, i + 1)
            tr = br + cr
            ti = bi + ci
            dr = (br - cr) * root
            di = (bi - ci) * root
            o = 2 * (q + 3 * s * p)
            store(y, o, ar + tr)
            store(y, o + 1, ai + ti)
            er = ar - half * tr
            ei = ai - half * ti
            gr = er + di
            gi = ei - dr
            o += 2 * s
            store(y, o, gr * ur - gi * ui)
            store(y, o + 1, gr * ui + gi * ur)
            hr = er - di
            hi = ei + dr
            o += 2 * s
            store(y, o, hr * vr - hi * vi)
            store(y, o + 1, hr * vi + hi * vr)
    return int64(0)

def stage_4(x, y, m, s, table, flip):
    for p in range(m):
        ur = load(table, 2 * s * p)
        ui = load(table, 2 * s * p + 1) * flip
        vr = load(table, 4 * s * p)
        vi = load(table, 4 * s * p + 1) * flip
        wr = load(table, 6 * s * p)
        wi = load(table, 6 * s * p + 1) * flip
        for q in independent(s):
            i = 2 * (q + s * p)
            ar = load(x, i)
            ai = load(x, i + 1)
            i += 2 * s * m
            br = load(x, i)
            bi = load(x, i + 1)
            i += 2 * s * m
            cr = load(x, i)
            ci = load(x, i + 1)
            i += 2 * s * m
            dr = load(x, i)
            di = load(x, i + 1)
            er = ar + cr
            ei = ai + ci
            fr = ar - cr
            fi = ai - ci
            gr = br + dr
            gi = bi + di
            hr = (bi - di) * flip
            hi = (dr - br) * flip
            o = 2 * (q + 4 * s * p)
            store(y, o, er + gr)
            store(y, o + 1, ei + gi)
            kr = fr + hr
            ki = fi + hi
            o += 2 * s
            store(y, o, kr * ur - ki * ui)
            store(y, o + 1, kr * ui + ki * ur)
            kr = er - gr
            ki = ei - gi
            o += 2 * s
            store(y, o, kr * vr - ki * vi)
            store(y, o + 1, kr * vi + ki * vr)
            kr = fr - hr
            ki = fi - hi
            o += 2 * s
            store(y, o, kr * wr - ki * wi)
            store(y, o + 1, kr * wi + ki * wr)
    return int64(0)

def first_4(x, y, m, table, flip):
    s = int64(1)
    for p in independent(m):
        ur = load(table, 2 * s * p)
        ui = load(table, 2 * s * p + 1) * flip
        vr = load(table, 4 * s * p)
        vi = load(table, 4 * s * p + 1) * flip
        wr = load(table, 6 * s * p)
        wi = load(table, 6 * s * p + 1) * flip
        i = 2 * p
        ar = load(x, i)
        ai = load(x, i + 1)
        i += 2 * s * m
        br = load(x, i)
        bi = load(x, i + 1)
        i += 2 * s * m
        cr = load(x, i)
        ci = load(x, i + 1)
        i += 2 * s * m
        dr = load(x, i)
        di = load(x, i + 1)
        er = ar + cr
        ei = ai + ci
        fr = ar - cr
        fi = ai - ci
        gr = br + dr
        gi = bi + di
        hr = (bi - di) * flip
        hi = (dr - br) * flip
        o = 8 * p
        store(y, o, er + gr)
        store(y, o + 1, ei + gi)
        kr = fr + hr
        ki = fi + hi
        o += 2 * s
        store(y, o, kr * ur - ki * ui)
        store(y, o + 1, kr * ui + ki * ur)
        kr = er - gr
        ki = ei - gi
        o += 2 * s
        store(y, o, kr * vr - ki * vi)
        store(y, o + 1, kr * vi + ki * vr)
        kr = fr - hr
        ki = fi - hi
        o += 2 * s
        store(y, o, kr * wr - ki * wi)
        store(y, o + 1, kr * wi + ki * wr)
    return int64(0)

def stage_5(x, y, m, s, table, flip):
    c1 = {output}(0.30901699437494742)
    c2 = {output}(-0.80901699437494742)
    s1 = {output}(0.95105651629515357) * flip
    s2 = {output}(0.58778525229247313) * flip
    for p in range(m):
        w1r = load(table, 2 * s * p)
        w1i = load(table, 2 * s * p + 1) * flip
        w2r = load(table, 4 * s * p)
        w2i = load(table, 4 * s * p + 1) * flip
        w3r = load(table, 6 * s * p)
        w3i = load(table, 6 * s * p + 1) * flip
        w4r = load(table, 8 * s * p)
        w4i = load(table, 8 * s * p + 1) * flip
        for q in independent(s):
            i = 2 * (q + s * p)
            ar = load(x, i)
            ai = load(x, i + 1)
            i += 2 * s * m
            br = load(x, i)
            bi = load(x, i + 1)
            i += 2 * s * m
            cr = load(x, i)
            ci = load(x, i + 1)
            i += 2 * s * m
            dr = load(x, i)
            di = load(x, i + 1)
            i += 2 * s * m
            er = load(x, i)
            ei = load(x, i + 1)
            t1r = br + er
            t1i = bi + ei
            t2r = cr + dr
            t2i = ci + di
            t3r = br - er
            t3i = bi - ei
            t4r = cr - dr
            t4i = ci - di
            o = 2 * (q + 5 * s * p)
            store(y, o, ar + t1r + t2r)
            store(y, o + 1, ai + t1i + t2i)
            m1r = ar + c1 * t1r + c2 * t2r
            m1i = ai + c1 * t1i + c2 * t2i
            m2r = ar + c2 * t1r + c1 * t2r
            m2i = ai + c2 * t1i + c1 * t2i
            v1r = s1 * t3r + s2 * t4r
            v1i = s1 * t3i + s2 * t4i
            v2r = s2 * t3r - s1 * t4r
            v2i = s2 * t3i - s1 * t4i
            kr = m1r + v1i
            ki = m1i - v1r
            o += 2 * s
            store(y, o, kr * w1r - ki * w1i)
            store(y, o + 1, kr * w1i + ki * w1r)
            kr = m2r + v2i
            ki = m2i - v2r
            o += 2 * s
            store(y, o, kr * w2r - ki * w2i)
            store(y, o + 1, kr * w2i + ki * w2r)
            kr = m2r - v2i
            ki = m2i + v2r
            o += 2 * s
            store(y, o, kr * w3r - ki * w3i)
            store(y, o + 1, kr * w3i + ki * w3r)
            kr = m1r - v1i
            ki = m1i + v1r
            o += 2 * s
            store(y, o, kr * w4r - ki * w4i)
            store(y, o + 1, kr * w4i + ki * w4r)
    return int64(0)

def stage_any(x, y, r, m, s, table, flip):
    for p in range(m):
        for k in range(r):
            wr = load(table, 2 * s * p * k)
            wi = load(table, 2 * s * p * k + 1) * flip
            for q in independent(s):
                re = load(x, 2 * (q + s * p))
                im = load(x, 2 * (q + s * p) + 1)
                turn = int64(0)
                for j in range(1, r):
                    turn += k
                    if turn >= r:
                        turn -= r
                    cr = load(table, 2 * turn * m * s)
                    ci = load(table, 2 * turn * m * s + 1) * flip
                    i = 2 * (q + s * (p + m * j))
                    ar = load(x, i)
                    ai = load(x, i + 1)
                    re += ar * cr - ai * ci
                    im += ar * ci + ai * cr
                o = 2 * (q + s * (r * p + k))
                store(y, o, re * wr - im * wi)
                store(y, o + 1, re * wi + im * wr)
    return int64(0)

def stages(a, b, n, table, factors, count, flip):
    s = int64(1)
    m = n
    x = a
    y = b
    for f in range(count):
        r = load(factors, f)
        m = m // r
        if (r == 4) & (s == 1):
            first_4(x, y, m, table, flip)
        elif r == 4:
            stage_4(x, y, m, s, table, flip)
        elif r == 2:
            stage_2(x, y, m, s, table, flip)
        elif r == 3:
            stage_3(x, y, m, s, table, flip)
        elif r == 5:
            stage_5(x, y, m, s, table, flip)
        else:
            stage_any(x, y, r, m, s, table, flip)
        s = s * r
        other = x
        x = y
        y = other
    if count % 2 == 1:
        for e in independent(2 * n):
            store(a, e, load(b, e))
    return int64(0)

def prepare(n, length, table, factors, chirp, spectrum, b, fine):
    fill_table(table, length, fine)
    count = factorize(length, factors)
    if length != n:
        for k in range(n):
            angle = float64((k * k) % (2 * n)) * float64(3.141592653589793) / float64(n)
            store(chirp, 2 * k, {output}(cos(angle)))
            store(chirp, 2 * k + 1, {output}(sin(angle)))
        for e in independent(2 * length):
            store(spectrum, e, {output}(0))
        for k in range(n):
            for e in range(2):
                value = load(chirp, 2 * k + e)
                store(spectrum, 2 * k + e, value)
                if k > 0:
                    store(spectrum, 2 * (length - k) + e, value)
        stages(spectrum, b, length, table, factors, count, {output}(1))
    return count

def transform(a, b, n, length, table, factors, count, chirp, spectrum, flip):
    if length == n:
        stages(a, b, n, table, factors, count, flip)
    else:
        for k in range(n):
            re = load(a, 2 * k)
            im = load(a, 2 * k + 1) * flip
            cr = load(chirp, 2 * k)
            ci = load(chirp, 2 * k + 1)
            store(a, 2 * k, re * cr + im * ci)
            store(a, 2 * k + 1, im * cr - re * ci)
        for e in independent(2 * (length - n)):
            store(a, 2 * n + e, {output}(0))
        stages(a, b, length, table, factors, count, {output}(1))
        for k in independent(length):
            re = load(a, 2 * k)
            im = load(a, 2 * k + 1)
            sr = load(spectrum, 2 * k)
            si = load(spectrum, 2 * k + 1)
            store(a, 2 * k, re * sr - im * si)
            store(a, 2 * k + 1, re * si + im * sr)
        stages(a, b, length, table, factors, count, {output}(-1))
        scale = {output}(1) / {output}(length)
        for k in range(n):
            re = load(a, 2 * k) * scale
            im = load(a, 2 * k + 1) * scale
            cr = load(chirp, 2 * k)
            ci = load(chirp, 2 * k + 1)
            store(a, 2 * k, re * cr + im * ci)
            store(a, 2 * k + 1, (im * cr - re * ci) * flip)
    return int64(0)

def columns(
    data, outer, n, stride, length, a, b, table, factors, chirp, spectrum, flip, scale, fine
):
    if n > 1:
        count = prepare(n, length, table, factors, chirp, spectrum, b, fine)
        for o in range(outer):
            for c in range(stride):
                at = offset(data, 2 * (o * n * stride + c))
                for j in range(n):
                    store(a, 2 * j, load(at, 2 * j * stride))
                    store(a, 2 * j + 1, load(at, 2 * j * stride + 1))
                transform(a, b, n, length, table, factors, count, chirp, spectrum, flip)
                for j in range(n):
                    store(at, 2 * j * stride, load(a, 2 * j) * scale)
                    store(at, 2 * j * stride + 1, load(a, 2 * j + 1) * scale)
    return int64(0)
"""

_HEAD = """
fine = float64_stack(128)
flip = {output}(1)
s0 = {output}(1)
s1 = {output}(1)
s2 = {output}(1)
if inverse != 0:
    flip = {output}(-1)
    s0 = {output}(1) / {output}(maximum(n0, int64(1)))
    s1 = {output}(1) / {output}(maximum(n1, int64(1)))
    s2 = {output}(1) / {output}(maximum(n2, int64(1)))
if n0 * n1 * n2 * batch == 0:
    return 0
"""

_FORWARD = """
count = prepare(n2, l2, table, factors, chirp, spectrum, b, fine)
for block in range(batch):
    for i in range(n0):
        for j in range(n1):
            row = ((block * i0 + i) * i1 + j) * i2
            for e in range(n2):
                READ
            transform(a, b, n2, l2, table, factors, count, chirp, spectrum, flip)
            out = offset(output, 2 * ((block * n0 + i) * n1 + j) * c2)
            for e in range(2 * c2):
                store(out, e, load(a, e) * s2)
columns(output, batch * n0, n1, c2, l1, a, b, table, factors, chirp, spectrum, flip, s1, fine)
columns(output, batch, n0, n1 * c2, l0, a, b, table, factors, chirp, spectrum, flip, s0, fine)
return 0
"""

#: Blocks of n0 x n1 x n2 out of i0 x i1 x i2 numbers; spectra have c2 columns: from the input to
#: the output along the last axis, and there along the others.
COMPLEX = _HEAD + _FORWARD.replace(
    "READ",
    """store(a, 2 * e, {output}(load(input, 2 * (row + e))))
                store(a, 2 * e + 1, {output}(load(input, 2 * (row + e) + 1)))""",
)
REAL = _HEAD + _FORWARD.replace(
    "READ",
    """store(a, 2 * e, {output}(load(input, row + e)))
                store(a, 2 * e + 1, {output}(0))""",
)

#: Along the other axes of a copy first: the transform along the last has real results.
INVERSE_REAL = (
    _HEAD
    + """
for block in range(batch):
    for i in range(n0):
        for j in range(n1):
            row = 2 * ((block * i0 + i) * i1 + j) * i2
            to = 2 * ((block * n0 + i) * n1 + j) * c2
            for e in independent(2 * c2):
                store(work, to + e, {output}(load(input, row + e)))
columns(work, batch * n0, n1, c2, l1, a, b, table, factors, chirp, spectrum, flip, s1, fine)
columns(work, batch, n0, n1 * c2, l0, a, b, table, factors, chirp, spectrum, flip, s0, fine)
count = prepare(n2, l2, table, factors, chirp, spectrum, b, fine)
for block in range(batch):
    for i in range(n0):
        for j in range(n1):
            row = 2 * ((block * n0 + i) * n1 + j) * c2
            for e in range(c2):
                re = load(work, row + 2 * e)
                im = load(work, row + 2 * e + 1)
                if (e == 0) | (2 * e == n2):
                    im = {output}(0)
                store(a, 2 * e, re)
                store(a, 2 * e + 1, im)
                if (e > 0) & (2 * e < n2):
                    store(a, 2 * (n2 - e), re)
                    store(a, 2 * (n2 - e) + 1, -im)
            transform(a, b, n2, l2, table, factors, count, chirp, spectrum, flip)
            out = offset(output, ((block * n0 + i) * n1 + j) * n2)
            for e in range(n2):
                store(out, e, load(a, 2 * e) * s2)
return 0
"""
)
