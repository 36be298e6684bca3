"""The weights of a noprop model in PyTorch, and back. The modules of a block have the names that noprop gives its layers."""

import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn


def read(path):
    """The configuration, the tensors by their names, and the metadata of a model file."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        return json.loads(metadata["config"]), {name: file.get_tensor(name) for name in file.keys()}, metadata


def pairs(block, t):
    """The tensors of block t (from 1): the name in the file, the tensor of the module, and the order of its dimensions there."""
    for name, module in block.named_modules():
        params, stats = f"blocks.{t:04d}.params.{name}", f"blocks.{t:04d}.stats.{name}"
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            yield f"{stats}.mean", module.running_mean, None
            yield f"{stats}.var", module.running_var, None
        for part, tensor in module.named_parameters(recurse=False):
            # noprop keeps [inputs, outputs], and [row, column, inputs, outputs] of a convolution.
            is_matrix = part == "weight" and isinstance(module, (nn.Linear, nn.Conv2d))
            yield f"{params}.{part}", tensor, ((1, 0) if tensor.dim() == 2 else (2, 3, 1, 0)) if is_matrix else None


@torch.no_grad()
def load(block, tensors, t):
    for name, tensor, order in pairs(block, t):
        value = tensors[name]
        tensor.copy_(value if order is None else value.permute([order.index(k) for k in range(len(order))]))
    return block.eval()


def save(blocks, metadata, path):
    """Writes a model file that noprop reads: blocks with weights, and the metadata of the file that they began as."""
    tensors = {}
    for t, block in enumerate(blocks, 1):
        for name, tensor, order in pairs(block, t):
            value = tensor.detach() if order is None else tensor.detach().permute(order)
            tensors[name] = value.contiguous().float()
    save_file(tensors, path, metadata=metadata)


def alpha_bar(config):
    """The share of signal of z_0 … z_T, for the cosine schedule."""
    T, schedule = config["blocks"], config["schedule"]
    t = torch.arange(T + 1, dtype=torch.float64) / T
    return (torch.sin(torch.pi / 2 * t) ** 2).clamp(schedule["min"], schedule["max"])


@torch.no_grad()
def states(blocks, config, x, z):
    """The states z_1 … z_T of samples x from the noise z, by the sampler `posterior` without noise."""
    a, found = alpha_bar(config).tolist(), []
    for t, block in enumerate(blocks, 1):
        before, after = a[t - 1], a[t]
        keep = after**0.5 * (1 - before / after) / (1 - before)
        z = keep * block(x, z) + (before / after) ** 0.5 * (1 - after) / (1 - before) * z
        found.append(z)
    return found
