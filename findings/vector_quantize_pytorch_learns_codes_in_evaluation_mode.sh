#!/usr/bin/env bash
# vector-quantize-pytorch with kmeans_init=True makes its codes from the first batch it is shown, in evaluation mode and frozen too
#
# vector-quantize-pytorch 1.32.0, torch 2.14.1, einops 0.8.2, einx 0.4.3, torch-einops-utils 0.2.0.
#
# A quantizer of 64 codes that was never trained, kmeans_init=True (codes start from data, as many VQ-VAEs do). It is put
# into evaluation mode, without gradients, and called with freeze_codebook=True. Two copies with the same weights look at
# another batch each, then both name the codes of the same 2,000 vectors.
# Guess before the first run: nothing changes in evaluation mode, least of all a frozen codebook, so that both copies
# name the same codes; or a sentence says that the codes were never started.
#
# Seen: the first batch is clustered and its centers become the codes, which stay: later batches, of training or not,
# are named by them. The copies agree on about one vector in a hundred, as by chance. No error, no warning. Without
# kmeans_init, and once a first batch was seen, evaluation changes nothing (asked how to freeze the codes, the maintainer
# answers: by evaluation mode, issue #42).
#
# Who is hurt: whoever measures an untrained network as a floor (its codes are those of the first test batch, and another
# order of the batches is another floor), and whoever runs a check of validation before training, as some trainers do by
# themselves: the training then starts from codes of validation images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check vector-quantize-pytorch==1.32.0 torch==2.14.1 einops==0.8.2 einx==0.4.3 torch-einops-utils==0.2.0 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import copy

import torch
from vector_quantize_pytorch import VectorQuantize


def looked(quantizer, x):
    "How many codes change, and the names of the vectors, when a quantizer looks at them in evaluation mode, frozen"
    before = quantizer.codebook.clone()
    with torch.inference_mode(): names = quantizer.eval()(x, freeze_codebook=True)[1]
    return int((quantizer.codebook != before).any(-1).sum()), names


torch.manual_seed(0)
first, second, asked = torch.randn(20, 64, 32), torch.randn(20, 64, 32), torch.randn(1, 2000, 32)
seen = {}
for start in (True, False):
    new = VectorQuantize(dim=32, codebook_size=64, kmeans_init=start)
    a, b = copy.deepcopy(new), copy.deepcopy(new)
    (changed, _), (also, _) = looked(a, first), looked(b, second)
    (later, of_a), (_, of_b) = looked(a, asked), looked(b, asked)
    agree = (of_a == of_b).float().mean().item()
    seen[start] = changed, also, later, agree
    print(f'kmeans_init={start}: the first batch changes {changed} of 64 codes ({also} in the copy), the next {later}; '
          f'the copies name the same code for {agree:.1%} of 2,000 vectors')
a, b = seen[True], seen[False]
assert a[:3] == (64, 64, 0) and a[3] < .1, 'evaluation mode no longer makes codes'
assert b == (0, 0, 0, 1.), 'codes change without kmeans_init'
END
