"""Writes tests/golden/ops/view_chains.txt: chains of 20 random views of arange and what NumPy makes of them. Each
line: shape, views (kind a b p q r and sizes, as in tests/core/view_chains.c), shape and values of the result; a
list is its length, then its items. Needs numpy; run from the repository's root."""
import random
import numpy as np

R = random.Random(7)
KINDS = "reshape permute transpose slice select expand squeeze unsqueeze flatten diagonal unfold movedim unflatten narrow"


def factors(n):
    s = []
    for _ in range(2):
        f = R.choice([f for f in range(1, min(n, 7) + 1) if n % f == 0]) if n else 1
        s.append(f)
        n //= f
    return s + [n]


def step(x):
    """A view that fits: (a, b, p, q, r, sizes) and its result, or None."""
    kind = R.choice(KINDS.split())
    n = x.ndim
    a, b, p, q, r, s = R.randrange(n or 1), R.randrange(n or 1), 0, 0, 0, []
    size = x.shape[a] if n else 1
    if kind in ("slice", "select", "diagonal", "narrow") and x.size < 24 and R.random() < 0.9:
        return None
    if n == 0 and kind not in ("reshape", "unsqueeze", "expand", "squeeze"):
        return None
    if kind == "reshape":
        s = factors(x.size)
        y = x.reshape(s)
    elif kind == "permute":
        s = R.sample(range(n), n)
        y = x.transpose(s)
    elif kind == "transpose":
        y = x.swapaxes(a, b)
    elif kind == "slice":
        p, q, r = R.randint(-size - 1, size + 1), R.choice([size, size, R.randint(-size - 1, size + 1)]), R.choice([1, 2, 3, -1, -2])
        y = x[(slice(None),) * a + (slice(p, q, r),)]
    elif kind == "select":
        if n < 2 or size == 0:
            return None
        p = R.randrange(-size, size)
        y = x.take(p, axis=a)
    elif kind == "expand":
        if x.size > 100 or n > 4:
            return None
        s = [R.randint(1, 3)] + [R.randint(1, 3) if d == 1 else d for d in x.shape]
        y = np.broadcast_to(x, s)
    elif kind == "squeeze":
        y = x.squeeze(a) if n and size == 1 else x
    elif kind == "unsqueeze":
        if n > 5:
            return None
        a = R.randrange(-n - 1, n + 1)
        y = np.expand_dims(x, a)
    elif kind == "flatten":
        a, b = min(a, b), max(a, b)
        y = x.reshape(x.shape[:a] + (int(np.prod(x.shape[a : b + 1])),) + x.shape[b + 1 :])
    elif kind == "diagonal":
        if a == b or min(x.shape[a], x.shape[b]) < 3:
            return None
        p = R.randint(-2, 2)
        y = x.diagonal(p, a, b)
    elif kind == "unfold":
        p, q = R.randint(1, 3), R.randint(1, 3)
        if size < p or n > 5 or x.size * p // q > 256:
            return None
        y = np.lib.stride_tricks.sliding_window_view(x, p, axis=a)
        y = y[(slice(None),) * a + (slice(None, None, q),)]
    elif kind == "movedim":
        y = np.moveaxis(x, a, b)
    elif kind == "unflatten":
        if n > 5:
            return None
        s = factors(size)
        y = x.reshape(x.shape[:a] + tuple(s) + x.shape[a + 1 :])
    else:
        p = R.randint(0, size)
        q = size - p - (R.randint(0, 1) if p < size else 0)
        y = x[(slice(None),) * a + (slice(p, p + q),)]
    if y.size == 0 and R.random() < 0.95:
        return None
    return [KINDS.split().index(kind), a, b, p, q, r, len(s), *s], y


def main():
    lines = []
    for _ in range(60):
        shape = [R.randint(1, 5) for _ in range(R.randint(2, 4))]
        x = np.arange(int(np.prod(shape))).reshape(shape)
        line, views = [len(shape), *shape], []
        while len(views) < 20:
            found = step(x)
            if found:
                views.append(found[0])
                x = found[1]
        line += [len(views)] + [v for w in views for v in w] + [x.ndim, *x.shape, *x.ravel().tolist()]
        lines.append(" ".join(str(v) for v in line))
    with open("tests/golden/ops/view_chains.txt", "w") as f:
        f.write("\n".join([str(len(lines))] + lines) + "\n")


main()
