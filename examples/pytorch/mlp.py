"""The preset `mlp` of method `dt`."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        classes = len(config["classes"])
        widths = [math.prod(config["input"]) + classes, *config["net"]["hidden"], classes]
        for layer, (inputs, units) in enumerate(zip(widths, widths[1:]), 1):
            setattr(self, f"fc{layer:02d}", nn.Linear(inputs, units))
        self.layers = len(widths) - 1
        self.drop = nn.Dropout(config["net"]["dropout"])

    def forward(self, x, z):
        """x [samples, …], z [samples, classes]."""
        y = torch.cat([x.flatten(1), z], 1)
        for layer in range(1, self.layers):
            y = self.drop(F.relu(getattr(self, f"fc{layer:02d}")(y)))
        return getattr(self, f"fc{self.layers:02d}")(y)
