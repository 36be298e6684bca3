"""The preset `cnn` of method `dt`."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        (rows, columns, channels), classes = config["input"], len(config["classes"])
        (w1, w2, w3), hidden = config["net"]["widths"], config["net"]["hidden"]
        self.conv1 = nn.Conv2d(channels, w1, 3)
        self.conv2 = nn.Conv2d(w1, w2, 3)
        self.conv3 = nn.Conv2d(w2, w3, 3)
        side = lambda size: ((size - 2) // 2 - 4) // 2
        self.image_fc, self.image_bn = nn.Linear(side(rows) * side(columns) * w3, hidden), nn.BatchNorm1d(hidden)
        self.label_fc1, self.label_bn1 = nn.Linear(classes, hidden), nn.BatchNorm1d(hidden)
        self.label_fc2, self.label_bn2 = nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden)
        self.label_fc3, self.label_bn3 = nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden)
        self.fuse_fc1, self.fuse_bn1 = nn.Linear(2 * hidden, hidden), nn.BatchNorm1d(hidden)
        self.fuse_fc2, self.fuse_bn2 = nn.Linear(hidden, hidden // 2), nn.BatchNorm1d(hidden // 2)
        self.fuse_fc3 = nn.Linear(hidden // 2, classes)
        self.drop = nn.Dropout(config["net"]["dropout"])

    def forward(self, x, z):
        """x [samples, rows, columns, channels] in 0..1, z [samples, classes]."""
        y = self.drop(F.max_pool2d(F.relu(self.conv1(x.permute(0, 3, 1, 2))), 2))
        y = self.drop(F.relu(self.conv2(y)))
        y = self.drop(F.max_pool2d(F.relu(self.conv3(y)), 2))
        # A vector has the channels of a pixel side by side.
        image = self.image_bn(self.image_fc(y.permute(0, 2, 3, 1).flatten(1)))
        first = F.relu(self.label_bn1(self.label_fc1(z)))
        label = F.relu(self.label_bn2(self.label_fc2(first)))
        label = self.label_bn3(self.label_fc3(label)) + first
        y = F.relu(self.fuse_bn1(self.fuse_fc1(torch.cat([image, label], 1))))
        y = F.relu(self.fuse_bn2(self.fuse_fc2(y)))
        return F.softmax(self.fuse_fc3(y), 1)
