#!/usr/bin/env bash
# Five networks that are each made after a MONAI DataLoader start with the same weights and see the images in the same order
#
# MONAI 1.6.1, torch 2.14.1, NumPy 2.4.6.
#
# An ensemble: five times in a loop a random split of the images, a DataLoader (its own settings, num_workers=0), a network,
# an order of the batches. Without any seed, with one seed before the loop, and, beside it, with the DataLoader of torch, which
# MONAI's is derived from and stands in for.
# Guess before the first run: five splits, five networks and five orders with both; a loader reads images, and the seed before
# the loop makes the whole loop repeatable.
#
# Seen: with torch all are different. With MONAI all five networks have the same weights to the last bit, the batches come in
# one order, the augmentations repeat, and from the second round on there is one split; also without a seed. As it is made, the
# loader sets torch's global random numbers back to the seed from which they started, in order that loaders with and without
# workers agree (its pull request 5067); its page says nothing of it. With num_workers=1 it does not. With a generator of its
# own given to each loader networks and splits differ, orders and augmentations do not.
#
# Who is hurt: whoever takes the spread of five trainings as the error of a score, averages an ensemble, or repeats a random
# split: it is one training five times, and the spread comes out as zero or next to it. Call torch.manual_seed with another
# seed in each round.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check monai==1.6.1 torch==2.14.1 numpy==2.4.6
venv/bin/python -W ignore - <<'END'
import monai
import torch

torch.set_num_threads(1)
images = [torch.full((1, 8, 8), float(i)) for i in range(24)]


def rounds(loader, seed=None, each=False, **more):
    "Numbers of different splits, networks, orders and augmentations in five rounds"
    if seed is not None: torch.manual_seed(seed)
    seen = [set() for _ in range(4)]
    for i in range(5):
        if each: torch.manual_seed(i)
        split = torch.utils.data.random_split(range(24), [18, 6])[1]
        augment = monai.transforms.RandGaussianNoise(prob=1)
        if 'generator' in more: more['generator'] = torch.Generator()
        training = loader(monai.data.Dataset(images), batch_size=6, shuffle=True, **more)
        noisy = loader(monai.data.Dataset(images[:1], augment), **more)
        network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 3))
        order = torch.cat([b[:, 0, 0, 0] for b in training])
        drawn = (torch.tensor(list(split.indices)), torch.nn.utils.parameters_to_vector(network.parameters()), order,
                 torch.cat([b.flatten() for b in noisy]))
        for s, d in zip(seen, drawn): s.add(tuple(d.tolist()))
    return [len(s) for s in seen]


one, other = monai.data.DataLoader, torch.utils.data.DataLoader
results = {}
for name, call in {
        'torch, no seed': lambda: rounds(other), 'torch, seed 0': lambda: rounds(other, 0),
        'MONAI, no seed': lambda: rounds(one), 'MONAI, seed 0': lambda: rounds(one, 0),
        'MONAI, one worker': lambda: rounds(one, 0, num_workers=1),
        'MONAI, a generator': lambda: rounds(one, 0, generator=None),
        'MONAI, a seed each round': lambda: rounds(one, each=True)}.items():
    results[name] = got = call()
    print(f'{name}: different in five rounds: {got[0]} splits, {got[1]} networks, {got[2]} orders, {got[3]} augmentations')
free = 'torch, no seed', 'torch, seed 0', 'MONAI, one worker', 'MONAI, a seed each round'
assert all(results[k][:3] == [5, 5, 5] for k in free)
for k in ('MONAI, no seed', 'MONAI, seed 0'): assert results[k] == [2, 1, 1, 1], 'networks, orders or splits differ now'
END
