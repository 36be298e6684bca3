#!/usr/bin/env python3
"""Golden values for one NoProp-DT block and one AdamW step, computed by PyTorch in float64, stored as float32.

A small version of the paper's block (its Figure 6): image widths w, 2w, 4w (unpadded 3x3), hidden h, dropout 0,
batch norm in training mode (momentum 0.1, eps 1e-5), one-hot embedding. Loss: mean over the batch of
sum over classes (softmax(logits) - one_hot)^2. Optimiser: AdamW lr 1e-3, betas .9 .999, eps 1e-8, weight decay 1e-3 on
every parameter. Needs torch and safetensors:  python3 make_dt_block.py

Keys: in.x [B,C,H,W]  in.z [B,K]  in.y [B] (i64)  param.<name>  out.logits  out.probs  out.loss
      grad.<name>  running.<name> (batch-norm statistics after the step)  after1.<name>, after3.<name> (parameters after 1 and 3
      steps on the same batch)  eval.logits (evaluation mode, after 3 steps)
Names are PyTorch's: conv weight [out,in,3,3], linear weight [out,in]; flatten order is channel, row, column.
"""
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import save_file


class Block(nn.Module):
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


def make(path, seed, c, side, k, w, h, batch):
    torch.manual_seed(seed)
    b = Block(c, side, k, w, h).double()
    for n, p in b.named_parameters():      # no parameter at a symmetric value
        if "bn" in n:
            p.data.add_(0.1 * torch.randn_like(p))
    b.float().double()                      # what is stored is exactly what is computed from
    x = torch.rand(batch, c, side, side).double().float().double()
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


make("dt_block_gray28.safetensors", 7, 1, 28, 10, 4, 16, 12)
make("dt_block_rgb32.safetensors", 11, 3, 32, 7, 4, 24, 9)
