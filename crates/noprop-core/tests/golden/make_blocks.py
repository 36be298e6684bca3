#!/usr/bin/env python3
"""Golden values for one block of each net and steps of AdamW, computed by PyTorch in float64, stored as float32.

Small versions of the nets: the paper's block (its Figure 6) with image widths w, 2w, 4w (unpadded 3x3) and hidden h; a residual
network; a Vision Transformer. Dropout 0, batch norm in training mode (momentum 0.1, eps 1e-5), one-hot embedding. Loss: mean over
the batch of sum over classes (softmax(logits) - one_hot)^2. Optimiser: AdamW lr 1e-3, betas .9 .999, eps 1e-8, weight decay 1e-3
on every parameter. Needs torch and safetensors:  python3 make_blocks.py

Keys: in.x [B,C,H,W]  in.z [B,K]  in.y [B] (i64)  param.<name>  out.logits  out.probs  out.loss
      grad.<name>  running.<name> (batch-norm statistics after the step)  after1.<name>, after3.<name> (parameters after 1 and 3
      steps on the same batch)  eval.logits (evaluation mode, after 3 steps)
Modules have the names of noprop's layers. Tensors are PyTorch's: conv weight [out,in,y,x], linear weight [out,in]; flatten order is
channel, row, column.
"""
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import save_file


class Cnn(nn.Module):
    def __init__(self, c, side, k, w, h):
        super().__init__()
        s = ((side - 2) // 2 - 4) // 2
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(c, w, 3), nn.Conv2d(w, 2 * w, 3), nn.Conv2d(2 * w, 4 * w, 3)
        self.image_fc, self.image_bn = nn.Linear(4 * w * s * s, h), nn.BatchNorm1d(h)
        self.label_fc1, self.label_bn1 = nn.Linear(k, h), nn.BatchNorm1d(h)
        self.label_fc2, self.label_bn2 = nn.Linear(h, h), nn.BatchNorm1d(h)
        self.label_fc3, self.label_bn3 = nn.Linear(h, h), nn.BatchNorm1d(h)
        self.fuse_fc1, self.fuse_bn1 = nn.Linear(2 * h, h), nn.BatchNorm1d(h)
        self.fuse_fc2, self.fuse_bn2 = nn.Linear(h, h // 2), nn.BatchNorm1d(h // 2)
        self.fuse_fc3 = nn.Linear(h // 2, k)

    def forward(self, x, z):
        i = F.max_pool2d(F.relu(self.conv1(x)), 2)
        i = F.relu(self.conv2(i))
        i = F.max_pool2d(F.relu(self.conv3(i)), 2).flatten(1)
        i = self.image_bn(self.image_fc(i))
        l = F.relu(self.label_bn1(self.label_fc1(z)))
        l = l + self.label_bn3(self.label_fc3(F.relu(self.label_bn2(self.label_fc2(l)))))
        f = F.relu(self.fuse_bn1(self.fuse_fc1(torch.cat([i, l], 1))))
        return self.fuse_fc3(F.relu(self.fuse_bn2(self.fuse_fc2(f))))


class Resnet(nn.Module):
    def __init__(self, c, k, widths, depth, h, act):
        super().__init__()
        self.depth, self.widths, self.act = depth, widths, act
        for stage, w in enumerate(widths, 1):
            self.conv(f"stage{stage}", c, w)
            for block in range(1, depth + 1):
                self.conv(f"stage{stage}_{block}a", w, w), self.conv(f"stage{stage}_{block}b", w, w)
            c = w
        self.label_fc, self.label_bn = nn.Linear(k, h), nn.BatchNorm1d(h)
        self.fuse_fc1, self.fuse_bn, self.fuse_fc2 = nn.Linear(c + h, h), nn.BatchNorm1d(h), nn.Linear(h, k)

    def conv(self, name, c, w):
        self.add_module(f"{name}_conv", nn.Conv2d(c, w, 3, padding=1, bias=False))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(w))

    def run(self, name, x):
        return self.act(self.get_submodule(f"{name}_bn")(self.get_submodule(f"{name}_conv")(x)))

    def forward(self, x, z):
        for stage in range(1, len(self.widths) + 1):
            x = self.run(f"stage{stage}", x if stage == 1 else F.max_pool2d(x, 2))
            for block in range(1, self.depth + 1):
                x = x + self.run(f"stage{stage}_{block}b", self.run(f"stage{stage}_{block}a", x))
        l = self.act(self.label_bn(self.label_fc(z)))
        return self.fuse_fc2(self.act(self.fuse_bn(self.fuse_fc1(torch.cat([x.mean((2, 3)), l], 1)))))


class Vit(nn.Module):
    def __init__(self, c, side, k, patch, w, depth, heads, ratio):
        super().__init__()
        self.depth, self.heads = depth, heads
        self.patch, self.label = nn.Conv2d(c, w, patch, patch), nn.Linear(k, w)
        self.positions = nn.Embedding(1 + (side // patch) ** 2, w)
        for layer in range(1, depth + 1):
            parts = dict(norm1=nn.LayerNorm(w), qkv=nn.Linear(w, 3 * w), project=nn.Linear(w, w), norm2=nn.LayerNorm(w),
                         fc1=nn.Linear(w, ratio * w), fc2=nn.Linear(ratio * w, w))
            for name, part in parts.items():
                self.add_module(f"layer{layer:02}_{name}", part)
        self.norm, self.head = nn.LayerNorm(w), nn.Linear(w, k)

    def attention(self, qkv):
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in qkv.chunk(3, 2))
        p = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return (p @ v).transpose(1, 2).flatten(2)

    def forward(self, x, z):
        y = torch.cat([self.label(z).unsqueeze(1), self.patch(x).flatten(2).transpose(1, 2)], 1) + self.positions.weight
        for layer in range(1, self.depth + 1):
            part = lambda name: self.get_submodule(f"layer{layer:02}_{name}")
            y = y + part("project")(self.attention(part("qkv")(part("norm1")(y))))
            y = y + part("fc2")(F.gelu(part("fc1")(part("norm2")(y)), approximate="tanh"))
        return self.head(self.norm(y)[:, 0])


def make(path, seed, image, k, batch, net):
    torch.manual_seed(seed)
    b = net().double()
    for n, p in b.named_parameters():      # no parameter at a symmetric value
        if "bn" in n or "norm" in n:
            p.data.add_(0.1 * torch.randn_like(p))
    b.float().double()                      # what is stored is exactly what is computed from
    x = torch.rand(batch, *image).double().float().double()
    z = torch.randn(batch, k).double().float().double()
    y = torch.randint(k, (batch,))
    u = F.one_hot(y, k).double()
    out = {"in.x": x, "in.z": z, "in.y": y}
    out.update({f"param.{n}": p.detach().clone() for n, p in b.named_parameters()})
    opt = torch.optim.AdamW(b.parameters(), lr=1e-3, weight_decay=1e-3)
    for step in (1, 2, 3):
        logits = b(x, z)
        loss = ((logits.softmax(-1) - u) ** 2).sum(1).mean()
        opt.zero_grad(); loss.backward()
        if step == 1:
            out.update({"out.logits": logits.detach(), "out.probs": logits.softmax(-1).detach(), "out.loss": loss.detach().reshape(1)})
            out.update({f"grad.{n}": p.grad.clone() for n, p in b.named_parameters()})
            out.update({f"running.{n}": v.clone() for n, v in b.named_buffers() if "running" in n})
        opt.step()
        if step in (1, 3):
            out.update({f"after{step}.{n}": p.detach().clone() for n, p in b.named_parameters()})
    b.eval()
    out["eval.logits"] = b(x, z).detach()
    save_file({n: (v if v.dtype == torch.int64 else v.float()).contiguous() for n, v in out.items()}, path)
    print(path, "loss", loss.item())


gelu = lambda x: F.gelu(x, approximate="tanh")
make("cnn_gray28.safetensors", 7, (1, 28, 28), 10, 12, lambda: Cnn(1, 28, 10, 4, 16))
make("cnn_rgb32.safetensors", 11, (3, 32, 32), 7, 9, lambda: Cnn(3, 32, 7, 4, 24))
make("resnet_relu.safetensors", 13, (3, 8, 8), 4, 9, lambda: Resnet(3, 4, [3, 5], 1, 6, F.relu))
make("resnet_gelu.safetensors", 17, (1, 9, 6), 3, 7, lambda: Resnet(1, 3, [5, 4], 2, 5, gelu))
make("vit.safetensors", 19, (3, 8, 8), 4, 6, lambda: Vit(3, 8, 4, 4, 8, 2, 2, 4))
