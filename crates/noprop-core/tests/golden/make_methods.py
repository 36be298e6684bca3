#!/usr/bin/env python3
"""Golden values of every training method: three steps of one job, computed by PyTorch's autograd and optimisers in float64.

Everything is written down anew here: random numbers (Philox 4x32-10, Box-Muller), initial values, draws, losses, samplers' equations.
Six samples of four values and three classes, one batch; the net is noprop's `mlp` with a hidden layer of 5, of which the input is
[x | z], or [x | z | 32 cosines and 32 sines of the time] for methods with a time. What noprop rounds to f32 (initial values, z, times,
targets) is rounded here too. Rate 1e-2, weight decay 1e-2. Needs torch:  python3 make_methods.py

methods.json: for each method `losses` of the three steps as they are reported, and `after`: each tensor after them, by noprop's name.
"""
import json, math
from pathlib import Path
from statistics import NormalDist
import torch, torch.nn.functional as F

torch.set_default_dtype(torch.float64)
SEED, N, D, C, H, RATE, DECAY, STEPS = 7, 6, 4, 3, 5, 1e-2, 1e-2, 3
INIT, LABEL, TIME, PATH, HEAD, EMBEDDING, WRONG = 0, 2, 6, 7, 8, 11, 12
DIM = 2  # of learned embeddings: fewer values than classes, so they begin at random
f32 = lambda v: torch.as_tensor(v, dtype=torch.float64).float().double()


class Stream:
    def __init__(self, purpose, block, epoch, sample):
        self.high = [sample, epoch, purpose << 16 | block]

    def words(self, index):
        c, k, mask = [index, *self.high], [SEED, 0], 0xFFFFFFFF
        for round in range(10):
            if round:
                k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [b >> 32 ^ c[1] ^ k[0], b & mask, a >> 32 ^ c[3] ^ k[1], a & mask]
        return c

    def uniform(self, index):
        return self.words(index // 4)[index % 4] / 2**32

    def normal(self, index):
        w = self.words(index // 2)
        radius, angle = math.sqrt(-2 * math.log((w[0] + 1) / 2**32)), 2 * math.pi * w[1] / 2**32
        return radius * (math.sin(angle) if index % 2 else math.cos(angle))


x = f32([[((i * D + j) * 7 % 11) / 10 - 0.4 for j in range(D)] for i in range(N)])
y = torch.tensor([i % C for i in range(N)])
u = F.one_hot(y, C).double()
normals = lambda purpose, job, epoch, width=C: torch.tensor([[Stream(purpose, job, epoch, i).normal(k) for k in range(width)] for i in range(N)])
uniforms = lambda purpose, job, epoch: torch.tensor([Stream(purpose, job, epoch, i).uniform(0) for i in range(N)])


def make(tensors, job):
    """Initial values by noprop's names: a bound for uniform ones, 'identity', or a constant, each with its shape."""
    made = {}
    for index, (name, (kind, shape)) in enumerate(sorted(tensors.items())):
        size = math.prod(shape)
        if torch.is_tensor(kind):
            value = f32(kind)
        elif kind == "identity":
            value = torch.eye(*shape)
        elif isinstance(kind, tuple):
            bound = 1 / math.sqrt(kind[0])
            value = f32([(2 * Stream(INIT, job, 0, index).uniform(i) - 1) * bound for i in range(size)]).reshape(shape)
        else:
            value = f32([kind] * size).reshape(shape)
        made[name] = value.clone().requires_grad_(name.startswith("params."))
    return made


def mlp(inputs, prefix=""):
    return {f"params.{prefix}fc01.weight": ((inputs,), (inputs, H)), f"params.{prefix}fc01.bias": ((inputs,), (H,)),
            f"params.{prefix}fc02.weight": ((H,), (H, C)), f"params.{prefix}fc02.bias": ((H,), (C,))}


def net(p, *inputs, prefix=""):
    part = lambda name: p[f"params.{prefix}{name}"]
    hidden = torch.relu(torch.cat(inputs, 1) @ part("fc01.weight") + part("fc01.bias"))
    return hidden @ part("fc02.weight") + part("fc02.bias")


def features(t):
    angles = 1000 * t[:, None] * torch.exp(-math.log(10000) * torch.arange(32) / 32)
    return torch.cat([angles.cos(), angles.sin()], 1)


HEADS = {"params.class_head.weight": ("identity", (C, C)), "params.class_head.bias": (0.0, (C,))}
head = lambda p, z: z @ p["params.class_head.weight"] + p["params.class_head.bias"]
squares = lambda a, b: ((a - b) ** 2).sum(1)


random_rows = torch.tensor([[Stream(EMBEDDING, 0, 0, c).normal(k) / math.sqrt(DIM) for k in range(DIM)] for c in range(C)])


def medoids():
    """The sample of each class with the least median distance to the others of its class; of several the first."""
    def middle(c):
        own = x[y == c]
        return own[min(range(len(own)), key=lambda i: torch.stack([(own[i] - o).norm() for j, o in enumerate(own) if j != i]).median().item())]
    return torch.stack([middle(c) for c in range(C)])


prototypes = medoids()


def dt(job=2, blocks=3, w=torch.eye(C)):
    ab = min(max(math.cos(math.pi / 2 * (blocks - job + 1) / blocks) ** 2, 1e-4), 0.999)

    def loss(p, epoch):
        z = f32(math.sqrt(ab) * w[y] + math.sqrt(1 - ab) * normals(LABEL, job, epoch, w.shape[1]))
        reported = squares(net(p, x, z) @ w, w[y]).mean()
        return reported, reported
    return make(mlp(D + w.shape[1]), job), loss


def fm(noise=0.1, w=torch.eye(C)):
    def loss(p, epoch):
        t, z0 = uniforms(TIME, 1, epoch), normals(LABEL, 1, epoch, w.shape[1])
        z = f32(t[:, None] * w[y] + (1 - t)[:, None] * z0 + noise * normals(PATH, 1, epoch, w.shape[1]))
        reported = squares(net(p, x, z, features(f32(t))) @ w, f32(w[y] - z0)).mean()
        return reported, reported
    return make(mlp(D + w.shape[1] + 64), 1), loss


def ct(eta=0.7, units=2, learns=False, fixed=torch.eye(C), start=None):
    inverse = lambda v: math.log(math.exp(v) - 1)
    wide = (start if learns else fixed).shape[1]
    heads = HEADS if wide == C else {"params.class_head.weight": (fixed.T, (wide, C)), "params.class_head.bias": (0.0, (C,))}
    tensors = {**(learned(mlp(D + wide + 64), start=start) if learns else {**mlp(D + wide + 64), **heads}),
               "params.gamma.low": (-1.0, (1,)), "params.gamma.range": (inverse(5.0), (1,)), "params.gamma.linear": (inverse(1.0), (1,)),
               "params.gamma.rate": ((1,), (units,)), "params.gamma.shift": ((1,), (units,)), "params.gamma.share": (inverse(1 / units), (units,))}

    def gamma(p, t):
        part = lambda name: p[f"params.gamma.{name}"]
        raw = lambda t: F.softplus(part("linear")) * t + (F.softplus(part("share")) * torch.sigmoid(t[:, None] * F.softplus(part("rate")) + part("shift"))).sum(1)
        first, last = raw(torch.zeros(1)), raw(torch.ones(1))
        return part("low") + F.softplus(part("range")) * (1 - (raw(t) - first) / (last - first))

    def loss(p, epoch):
        t = uniforms(TIME, 1, epoch).requires_grad_()
        g = gamma(p, t)
        slope, = torch.autograd.grad((-g).exp().sum(), t, create_graph=True)
        w = p["params.embedding.weight"] if learns else fixed
        noised = lambda g, purpose: torch.sigmoid(-g)[:, None].sqrt() * w[y] + torch.sigmoid(g)[:, None].sqrt() * normals(purpose, 1, epoch, w.shape[1])
        error = squares(net(p, x, noised(g, LABEL), features(f32(t.detach()))).softmax(1) @ w, w[y])
        ends = gamma(p, torch.tensor([0.0, 1.0]))
        first = torch.sigmoid(-ends[0])
        kl = prior(w[y], first)
        ce = F.cross_entropy(head(p, noised(ends[1].expand(N), HEAD)), y)
        return error.mean(), (0.5 * eta * slope * error).mean() + ce + kl
    return make(tensors, 1), loss


def learned(*nets, start):
    """The tensors of a learned embedding, which begins as `start`, beside those of nets."""
    dim = start.shape[1]
    own = {"params.embedding.weight": (start, (C, dim)), "params.class_head.weight": (start.T, (dim, C)), "params.class_head.bias": (0.0, (C,))}
    return {name: tensor for net in (own, *nets) for name, tensor in net.items()}


prior = lambda v, ab: 0.5 * (ab * (v**2).sum(1) - v.shape[1] * ab - v.shape[1] * torch.log(1 - torch.as_tensor(ab))).mean()


def dt_learned(blocks=2, start=random_rows):
    """A loss a block, each moved by an optimiser of its own, and with it the embedding and the head by another."""
    ab = [min(max(math.cos(math.pi / 2 * (blocks - t) / blocks) ** 2, 1e-4), 0.999) for t in range(blocks + 1)]

    def block(job):
        def loss(p, epoch):
            w = p["params.embedding.weight"]
            noised = lambda t, purpose: math.sqrt(ab[t]) * w[y] + math.sqrt(1 - ab[t]) * normals(purpose, job, epoch, start.shape[1])
            out = net(p, x, noised(job - 1, LABEL), prefix=f"block{job:04}_").softmax(1) @ w
            reported = squares(out, w[y]).mean()
            return reported, reported + F.cross_entropy(head(p, noised(blocks, HEAD)), y) + prior(w[y], ab[0])
        return loss
    return make(learned(*(mlp(D + start.shape[1], f"block{t:04}_") for t in range(1, blocks + 1)), start=start), 1), [block(t) for t in range(1, blocks + 1)]


def fm_learned(noise=0.1, start=random_rows):
    def loss(p, epoch):
        w, t, z0 = p["params.embedding.weight"], uniforms(TIME, 1, epoch), normals(LABEL, 1, epoch, start.shape[1])
        z = t[:, None] * w[y] + (1 - t)[:, None] * z0 + noise * normals(PATH, 1, epoch, start.shape[1])
        v = net(p, x, z, features(f32(t))) @ w
        reported = squares(v, w[y] - z0).mean()
        return reported, reported + F.cross_entropy(head(p, z + (1 - t)[:, None] * v), y)
    return make(learned(mlp(D + start.shape[1] + 64), start=start), 1), loss


def diffusion_blocks(loss_name, preconditioning=False, job=2, blocks=3, overlap=0.05):
    normal, ends = NormalDist(-1.2, 1.2), (0.002, 80.0)
    low, high = (normal.cdf(math.log(s)) for s in ends)
    quantile = lambda s: (normal.cdf(math.log(s)) - low) / (high - low)
    sigma = lambda q: math.exp(normal.inv_cdf(low + q * (high - low)))
    edge = lambda t: ends[1] if t == 0 else ends[0] if t == blocks else sigma(1 - t / blocks)
    least, most = edge(job), edge(job - 1)
    by = (most / least) ** overlap
    first, last = quantile(max(least / by, ends[0])), quantile(min(most * by, ends[1]))
    data = 1 / math.sqrt(C)

    def loss(p, epoch):
        s = torch.tensor([sigma(first + (last - first) * v) for v in uniforms(TIME, job, epoch).tolist()])[:, None]
        ab, noise = 1 / (1 + s**2), normals(LABEL, job, epoch)
        z, times = f32(ab.sqrt() * u + (1 - ab).sqrt() * noise), f32(0.25 * s.log())[:, 0]
        if not preconditioning:
            out = net(p, x, z, features(times))
            reported = F.cross_entropy(out, y) if loss_name == "ce" else squares(out.softmax(1), u).mean()
            return reported, reported
        total = s**2 + data**2
        exploding = z / ab.sqrt()
        target = f32((u - data**2 / total * exploding) / (s * data / total.sqrt()))
        reported = squares(net(p, x, f32(exploding / total.sqrt()), features(times)), target).mean()
        return reported, reported
    return make(mlp(D + C + 64), job), loss


def backprop(blocks=2, start=None):
    """With `start` all blocks share a matrix of embeddings that begins so and is trained with them."""
    prefixes = [f"block{b:04}_" for b in range(1, blocks + 1)]
    wide = C if start is None else start.shape[1]
    tensors = {"params.head.weight": ("identity", (C, C)), "params.head.bias": (0.0, (C,))}
    if start is not None:
        tensors |= {"params.embedding.weight": (start, tuple(start.shape)), "params.head.weight": (start.T, (wide, C))}
    for prefix in prefixes:
        tensors |= mlp(D + wide, prefix) | {f"params.{prefix}mix.share": (0.549306, (1,))}

    def loss(p, epoch):
        z = f32(normals(LABEL, 1, epoch, wide))
        for prefix in prefixes:
            k = torch.tanh(p[f"params.{prefix}mix.share"])
            estimate = net(p, x, z, prefix=prefix)
            z = (1 - k) * z + k * (estimate if start is None else estimate @ p["params.embedding.weight"])
        reported = F.cross_entropy(z @ p["params.head.weight"] + p["params.head.bias"], y)
        return reported, reported
    return make(tensors, 1), loss


def classifier():
    """A net of x alone."""
    def loss(p, epoch):
        reported = F.cross_entropy(net(p, x), y)
        return reported, reported
    return make(mlp(D), 1), loss


def adjoint(steps=4):
    """Back-propagation through all steps, which the adjoint equation does not do."""
    def loss(p, epoch):
        z = f32(normals(LABEL, 1, epoch))
        for step in range(steps):
            z = z + net(p, x, z, features(torch.full((N,), step / steps))) / steps
        reported = F.cross_entropy(head(p, z), y)
        return reported, reported
    return make({**mlp(D + C + 64), **HEADS}, 1), loss


class FullRelu(torch.autograd.Function):
    """ReLU whose gradient passes everywhere, for the peer normalisation."""
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        return g.clone()


def forward_forward(widths=(5, 4), peer=0.03):
    tensors, inputs = {}, C + D
    for layer, width in enumerate(widths, 1):
        tensors |= {f"params.fc{layer:02}.weight": ((-(-width // 3),), (inputs, width)), f"params.fc{layer:02}.bias": (0.0, (width,)),
                    f"stats.goodness{layer:02}.mean": (0.5, (width,))}
        inputs = width
    tensors |= {"params.head.weight": (0.0, (sum(widths[1:]), C)), "params.head.bias": (0.0, (C,))}
    scaled = lambda z: z / ((z**2).mean(1, keepdim=True).sqrt() + 1e-8)

    def loss(p, epoch):
        wrong = []
        for i in range(N):
            other = int(Stream(WRONG, 1, epoch, i).uniform(0) * (C - 1))
            wrong.append(other + (other >= y[i].item()))
        labels = [torch.full((N, C), 1 / C), u, F.one_hot(torch.tensor(wrong), C).double()]
        streams = [scaled(torch.cat([label, x], 1)) for label in labels]
        local, read = 0.0, []
        for layer in range(1, len(widths) + 1):
            a = [FullRelu.apply(s.detach() @ p[f"params.fc{layer:02}.weight"] + p[f"params.fc{layer:02}.bias"]) for s in streams]
            mean = p[f"stats.goodness{layer:02}.mean"]
            running = 0.9 * mean + 0.1 * a[1].mean(0)
            p[f"stats.goodness{layer:02}.mean"] = running.detach()
            logits = torch.cat([(v**2).sum(1) - v.shape[1] for v in a[1:]])
            wanted = torch.cat([torch.ones(N), torch.zeros(N)])
            local = local + F.binary_cross_entropy_with_logits(logits, wanted) + peer * ((running.mean() - running) ** 2).mean()
            streams = [scaled(v.detach()) for v in a]
            if layer > 1:
                read.append(streams[0])
        reported = F.cross_entropy(torch.cat(read, 1) @ p["params.head.weight"] + p["params.head.bias"], y)
        return reported, local + reported
    return make(tensors, 1), loss


def train(name, made):
    p, loss = made
    trained = {n: v for n, v in p.items() if n.startswith("params.")}
    if name == "forward-forward":
        heads = [v for n, v in trained.items() if ".head." in n]
        layers = [v for n, v in trained.items() if ".head." not in n]
        groups = [dict(params=layers), dict(params=heads, lr=10 * RATE, weight_decay=10 * DECAY)]
        optimiser = torch.optim.SGD(groups, lr=RATE, weight_decay=DECAY, momentum=0.9)
    else:
        optimiser = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=DECAY)
    losses = []
    if isinstance(loss, list):
        shared = [v for n, v in trained.items() if ".embedding." in n or ".class_head." in n]
        adamw = lambda values: torch.optim.AdamW(values, lr=RATE, weight_decay=DECAY)
        shared = adamw(shared)
        blocks = [adamw([v for n, v in trained.items() if f"block{t:04}_" in n]) for t in range(1, len(loss) + 1)]
        for epoch in range(STEPS):
            sum = 0.0
            for of_block, optimiser in zip(loss, blocks):
                reported, whole = of_block(p, epoch)
                for v in trained.values():
                    v.grad = None
                whole.backward(); optimiser.step(); shared.step()
                sum += reported.item()
            losses.append(sum / len(loss))
        print(name, losses)
        return dict(losses=losses, after={n: v.detach().flatten().tolist() for n, v in p.items()})
    for epoch in range(STEPS):
        reported, whole = loss(p, epoch)
        optimiser.zero_grad(); whole.backward(); optimiser.step()
        losses.append(reported.item())
    print(name, losses)
    return dict(losses=losses, after={n: v.detach().flatten().tolist() for n, v in p.items()})


METHODS = {
    "dt": dt(), "ct": ct(), "fm": fm(), "diffusion-blocks": diffusion_blocks("ce"), "diffusion-blocks-mse": diffusion_blocks("mse"),
    "diffusion-blocks-edm": diffusion_blocks("mse", preconditioning=True), "backprop": backprop(), "forward-forward": forward_forward(),
    "adjoint": adjoint(), "dt-learned": dt_learned(), "ct-learned": ct(learns=True, start=random_rows), "fm-learned": fm_learned(),
    "backprop-learned": backprop(start=random_rows), "backprop-trained": backprop(start=prototypes), "classifier": classifier(),
    "dt-prototype": dt(w=prototypes), "ct-prototype": ct(fixed=prototypes), "fm-prototype": fm(w=prototypes),
    "dt-trained": dt_learned(start=prototypes), "ct-trained": ct(learns=True, start=prototypes), "fm-trained": fm_learned(start=prototypes),
}
Path(__file__).with_name("methods.json").write_text(json.dumps({name: train(name, made) for name, made in METHODS.items()}) + "\n")
