"""The preset `resnet` of method `dt`, with ReLU and without whitening."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        net, channels, classes = config["net"], config["input"][2], len(config["classes"])
        assert net["activation"] == "relu" and net["whitening"] == 0
        self.widths, self.depth, hidden = net["widths"], net["depth"], net["hidden"]
        for stage, width in enumerate(self.widths, 1):
            names = [f"stage{stage}"] + [f"stage{stage}_{i}{part}" for i in range(1, self.depth + 1) for part in "ab"]
            for name in names:
                setattr(self, f"{name}_conv", nn.Conv2d(channels, width, 3, padding=1, bias=False))
                setattr(self, f"{name}_bn", nn.BatchNorm2d(width))
                channels = width
        self.label_fc, self.label_bn = nn.Linear(classes, hidden), nn.BatchNorm1d(hidden)
        self.fuse_fc1, self.fuse_bn = nn.Linear(channels + hidden, hidden), nn.BatchNorm1d(hidden)
        self.fuse_fc2 = nn.Linear(hidden, classes)

    def conv(self, name, y):
        return F.relu(getattr(self, f"{name}_bn")(getattr(self, f"{name}_conv")(y)))

    def forward(self, x, z):
        """x [samples, rows, columns, channels] in 0..1, z [samples, classes]."""
        y = x.permute(0, 3, 1, 2)
        for stage in range(1, len(self.widths) + 1):
            y = self.conv(f"stage{stage}", y if stage == 1 else F.max_pool2d(y, 2))
            for i in range(1, self.depth + 1):
                y = y + self.conv(f"stage{stage}_{i}b", self.conv(f"stage{stage}_{i}a", y))
        label = F.relu(self.label_bn(self.label_fc(z)))
        y = torch.cat([y.mean((2, 3)), label], 1)
        return F.softmax(self.fuse_fc2(F.relu(self.fuse_bn(self.fuse_fc1(y)))), 1)
