#!/usr/bin/env bash
# LatentQuantize of vector-quantize-pytorch, in bfloat16 or float16, names other codes than those it returns, and one that doesn't exist
#
# vector-quantize-pytorch 1.32.0, torch 2.14.1 (on the processor), einops 0.8.2, einx 0.4.3, torch-einops-utils 0.2.0.
#
# Quantizers of latents on a grid (four of 8 levels: 4,096 codes), moved to bfloat16 or float16 as networks are for use on a GPU.
# Asked for each of 4,096 vectors: the quantized vector, the index of its code, and the vector that this index stands for. Beside
# it FSQ of the same package, a grid as well, and LatentQuantize under autocast.
# Guess before the first run: a vector near a border may fall on another code than in float32, but index and quantized
# vector of one call belong together, in every precision.
#
# Seen: in float32 they do, always. In bfloat16 82 % of the indices stand for another vector than the one returned beside
# them, in float16 30 %, and the largest index is 4,096, one beyond the last code. The quantized vectors are right: the
# index alone is summed in the precision of the input, which holds whole numbers up to 256 (bfloat16) or 2,048 (float16), and
# is cut, not rounded. 240 codes survive bfloat16, 512 do not (28 % wrong). FSQ computes its indices in float32 whatever comes in, and
# is right throughout; so is LatentQuantize under autocast.
#
# Who is hurt: whoever stores or counts codes (tokens, histograms of codes, perplexity) from a network that was moved to half
# precision. Nothing is said, and what the decoder sees is right, so a picture looks as it should. Keep the quantizer in float32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check vector-quantize-pytorch==1.32.0 torch==2.14.1 einops==0.8.2 einx==0.4.3 torch-einops-utils==0.2.0 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END' || { cat log.txt; exit 1; }
import contextlib
from math import prod

import torch
from vector_quantize_pytorch import FSQ, LatentQuantize

torch.set_num_threads(1)


def asked(kind, levels, dtype, auto=False):
    "Share of indices that stand for the vector returned beside them, and the largest index"
    torch.manual_seed(0)
    vectors, about = torch.randn(1, len(levels), 64, 64)*.4, dict(dim=len(levels)) if kind is LatentQuantize else {}
    quantizer = kind(levels=levels, **about).eval().to(dtype)
    x = vectors if kind is LatentQuantize else vectors.flatten(2).transpose(1, 2)
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16) if auto else contextlib.nullcontext():
        quantized, index, *_ = quantizer(x.to(dtype))
    again = quantizer.indices_to_codes(index)
    apart = (again.float() - quantized.float()).abs().amax(1 if kind is LatentQuantize else -1)
    return (apart < .01).float().mean().item(), index.max().item()


for kind, levels, dtype, auto, low, high, beyond in (
        (LatentQuantize, [8]*4, torch.float32, False, 1, 1, False),
        (LatentQuantize, [8]*4, torch.bfloat16, False, .1, .3, True),
        (LatentQuantize, [8]*4, torch.float16, False, .6, .8, True),
        (LatentQuantize, [8]*4, torch.float32, True, 1, 1, False),
        (LatentQuantize, [8, 8, 8], torch.bfloat16, False, .6, .85, True),
        (LatentQuantize, [8, 6, 5], torch.bfloat16, False, 1, 1, False),
        (FSQ, [8]*4, torch.bfloat16, False, 1, 1, False),
        (FSQ, [8]*4, torch.float16, False, 1, 1, False)):
    right, largest = asked(kind, levels, dtype, auto)
    n = prod(levels)
    print(f'{kind.__name__}, {n:,} codes, {str(dtype)[6:]}{", autocast to bfloat16" if auto else ""}: {right:.0%} of the indices '
          f'stand for the vector beside them; largest index {largest:,}, last code {n - 1:,}')
    assert low <= right <= high and (largest == n) == beyond
END
