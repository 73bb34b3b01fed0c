"""The rules of sampling (JavaSampler) as a plain loop: the oracle of skein_sample."""
import math

import numpy as np

F = np.float32
ONE = F(2 ** 30)
MASK = (1 << 64) - 1


def fma(a, b, c):
    return F(np.longdouble(a) * np.longdouble(b) + np.longdouble(c))


def exp(x):
    if x < F(-87.3):
        return F(0)
    x = min(F(x), F(88.3))
    n = F(np.rint(F(x * F(float.fromhex("0x1.715476p0")))))
    r = fma(n, F(float.fromhex("-0x1.62e4p-1")), x)
    r = fma(n, F(float.fromhex("-0x1.7f7d1cp-20")), r)
    p = F(float.fromhex("0x1.6a2430p-10"))
    for c in ("0x1.1239e4p-7", "0x1.5558f2p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1"):
        p = fma(p, r, F(float.fromhex(c)))
    return F(np.ldexp(p, int(n)))


def weights(logits):
    top = logits.max()
    return np.array([int(np.rint(F(exp(F(x - top)) * ONE))) for x in logits], np.int64)


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def choose(raw, o):
    """o: a dict of what StepInputs.Output names, with lists for history, bias and allowed."""
    logits = raw.copy()
    if o["allowed"]:
        logits[:] = -np.inf
        logits[o["allowed"]] = raw[o["allowed"]]
    for i, add in o["bias"]:
        logits[i] = F(logits[i] + F(add))
    counts = {}
    for at, i in enumerate(o["history"]):
        counts[i] = counts.get(i, 0) + (at >= o["prompt"])
    for i, n in counts.items():
        x = logits[i]
        x = F(x / F(o["repetition"])) if x > 0 else F(x * F(o["repetition"]))
        x = F(x - F(F(o["frequency"]) * F(n)))
        logits[i] = F(x - F(o["presence"])) if n > 0 else x
    logits = np.minimum(np.where(np.isnan(logits), -np.inf, logits), F(1e38)).astype(F)
    if logits.max() == -np.inf:
        return int(raw.argmax())
    if not o["temperature"] >= 1e-5:
        return int(logits.argmax())
    logits = (logits / F(o["temperature"])).astype(F)
    w = weights(logits)
    w[w < min(float(F(o["min_p"])), 1.0) * 2 ** 30] = 0
    if 0 < o["top_k"] < len(w):
        w[logits < np.sort(logits)[len(w) - o["top_k"]]] = 0
    if F(o["top_p"]) < 1:
        limit = int((1.0 - float(F(o["top_p"]))) * float(w.sum()))
        dropped = 0
        for i in sorted(range(len(w)), key=lambda i: (w[i], -i))[:-1]:
            dropped += int(w[i])
            if dropped > limit:
                break
            w[i] = 0
    golden = 0x9E3779B97F4A7C15
    random = mix((mix(o["seed"] + golden & MASK) + (o["position"] + 1) * golden) & MASK)
    share = random * int(w.sum()) >> 64
    return int(np.searchsorted(np.cumsum(w), share, side="right"))


def score(raw, chosen, count):
    w = weights(raw)
    log_sum = math.log(int(w.sum()) * 2.0 ** -30)
    order = sorted(range(len(raw)), key=lambda i: (-raw[i], i))[:count]
    value = lambda i: float(raw[i]) - float(raw.max()) - log_sum
    return value(chosen), int((raw >= raw[chosen]).sum()), [(i, value(i)) for i in order]
