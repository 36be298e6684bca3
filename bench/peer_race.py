#!/usr/bin/env python3
"""The paper's blocks in PyTorch, trained until their chain is right on a share of the test samples: what `npm run bench:race` runs beside noprop.

Reads train-images, train-labels, test-images and test-labels, raw bytes of images (a channel after the other) and of labels, from a directory,
and prints a JSON object an epoch: epoch, seconds so far with those of the tests, accuracy. With a target above 1 it tests once, after all epochs, and
the seconds are those of the training.

  python3 peer_race.py DIR --blocks 3 --target 0.99 --threads 2 --amp bf16
"""
import argparse, json, math, time
import numpy, torch, torch.nn.functional as F
from peer_torch import Block


def main():
    p = argparse.ArgumentParser()
    p.add_argument("directory")
    p.add_argument("--side", type=int, default=28)
    p.add_argument("--channels", type=int, default=1)
    p.add_argument("--classes", type=int, default=10)
    p.add_argument("--blocks", type=int, default=3)
    p.add_argument("--target", type=float, default=0.99)
    p.add_argument("--epochs", type=int, default=10, help="most of them")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--lr-schedule", default="constant", choices=["constant", "one-cycle"])
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--amp", default="none", choices=["none", "bf16"])
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    read = lambda name: torch.from_numpy(numpy.fromfile(f"{a.directory}/{name}", numpy.uint8))
    images = lambda part: read(f"{part}-images").view(-1, a.channels, a.side, a.side).float() / 255
    x, y = images("train"), read("train-labels").long()
    far_x, far_y = images("test"), read("test-labels").long()
    T, batch, classes = a.blocks, 128, a.classes
    ab = torch.tensor([math.cos((T - t) / T * math.pi / 2) ** 2 for t in range(T + 1)]).clamp(1e-4, 1 - 1e-3)
    blocks = [Block(a.channels, a.side, classes, classes) for _ in range(T)]
    opts = [torch.optim.AdamW(b.parameters(), a.lr, weight_decay=1e-3) for b in blocks]
    steps = a.epochs * math.ceil(len(x) / batch)
    # The same course as noprop's: the momentum stays.
    cycle = lambda opt: torch.optim.lr_scheduler.OneCycleLR(opt, a.lr, total_steps=steps, cycle_momentum=False)
    courses = [cycle(opt) for opt in opts] if a.lr_schedule == "one-cycle" else []
    cast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=a.amp == "bf16")
    began = time.perf_counter()
    for epoch in range(1, a.epochs + 1):
        for b in blocks:
            b.train()
        for rows in torch.randperm(len(x)).split(batch):
            bx, u = x[rows], F.one_hot(y[rows], classes).float()
            for t in range(1, T + 1):
                z = ab[t - 1].sqrt() * u + (1 - ab[t - 1]).sqrt() * torch.randn_like(u)
                with cast():
                    out = blocks[t - 1](bx, z)
                loss = ((out.float().softmax(-1) - u) ** 2).sum(1).mean()
                opts[t - 1].zero_grad(); loss.backward(); opts[t - 1].step()
            for course in courses:
                course.step()
        trained = time.perf_counter() - began
        if a.target > 1 and epoch < a.epochs:
            continue
        right = 0
        with torch.no_grad():
            for b in blocks:
                b.eval()
            for bx, by in zip(far_x.split(1000), far_y.split(1000)):
                z = torch.randn(len(bx), classes)
                for t, b in enumerate(blocks, 1):
                    ratio = ab[t - 1] / ab[t]
                    z = ab[t].sqrt() * (1 - ratio) / (1 - ab[t - 1]) * b(bx, z).softmax(-1) \
                        + ratio.sqrt() * (1 - ab[t]) / (1 - ab[t - 1]) * z
                right += (z.argmax(1) == by).sum().item()
        seconds = time.perf_counter() - began if a.target <= 1 else trained
        print(json.dumps(dict(epoch=epoch, seconds=round(seconds, 2), accuracy=right / len(far_x))), flush=True)
        if right >= a.target * len(far_x):
            break


if __name__ == "__main__":
    main()
