"""The preset `vit` of method `dt`."""

import torch
from torch import nn
from torch.nn import functional as F


class Positions(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(tokens, width))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        (rows, columns, channels), classes, net = config["input"], len(config["classes"]), config["net"]
        self.size, self.depth, self.heads, width = net["patch"], net["depth"], net["heads"], net["width"]
        self.patch = nn.Linear(self.size**2 * channels, width)
        self.label = nn.Linear(classes, width)
        self.positions = Positions(1 + rows * columns // self.size**2, width)
        for layer in range(1, self.depth + 1):
            parts = {"qkv": 3 * width, "project": width, "fc1": net["mlpRatio"] * width, "fc2": width}
            for part, units in parts.items():
                inputs = net["mlpRatio"] * width if part == "fc2" else width
                setattr(self, f"layer{layer:02d}_{part}", nn.Linear(inputs, units))
            for part in ("norm1", "norm2"):
                setattr(self, f"layer{layer:02d}_{part}", nn.LayerNorm(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)
        self.drop = nn.Dropout(net["dropout"])

    def forward(self, x, z):
        """x [samples, rows, columns, channels] in 0..1, z [samples, classes]."""
        (n, rows, columns, channels), p = x.shape, self.size
        cut = x.reshape(n, rows // p, p, columns // p, p, channels).transpose(2, 3).reshape(n, -1, p * p * channels)
        y = torch.cat([self.label(z)[:, None], self.patch(cut)], 1) + self.positions.weight
        y = self.drop(y)
        for layer in range(1, self.depth + 1):
            part = lambda name: getattr(self, f"layer{layer:02d}_{name}")
            qkv = part("qkv")(part("norm1")(y)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*qkv).transpose(1, 2).flatten(2)
            y = y + self.drop(part("project")(mixed))
            y = y + self.drop(part("fc2")(F.gelu(part("fc1")(part("norm2")(y)), approximate="tanh")))
        return F.softmax(self.head(self.norm(y)[:, 0]), 1)
